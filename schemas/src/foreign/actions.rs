//! Commands by their names in each editor, as far as they do the same.

/// Ours, Zed's, JetBrains'; empty where an editor has none.
#[rustfmt::skip]
const COMMANDS: &[(&str, &str, &str)] = &[
    ("cursorUp", "editor::MoveUp", "EditorUp"),
    ("cursorDown", "editor::MoveDown", "EditorDown"),
    ("cursorLeft", "editor::MoveLeft", "EditorLeft"),
    ("cursorRight", "editor::MoveRight", "EditorRight"),
    ("cursorPageUp", "editor::MovePageUp", "EditorPageUp"),
    ("cursorPageDown", "editor::MovePageDown", "EditorPageDown"),
    ("cursorHome", "editor::MoveToBeginningOfLine", "EditorLineStart"),
    ("cursorEnd", "editor::MoveToEndOfLine", "EditorLineEnd"),
    ("cursorTop", "editor::MoveToBeginning", "EditorTextStart"),
    ("cursorBottom", "editor::MoveToEnd", "EditorTextEnd"),
    ("cursorWordLeft", "editor::MoveToPreviousWordStart", "EditorPreviousWord"),
    ("cursorWordEndRight", "editor::MoveToNextWordEnd", "EditorNextWord"),
    ("cursorUpSelect", "editor::SelectUp", "EditorUpWithSelection"),
    ("cursorDownSelect", "editor::SelectDown", "EditorDownWithSelection"),
    ("cursorLeftSelect", "editor::SelectLeft", "EditorLeftWithSelection"),
    ("cursorRightSelect", "editor::SelectRight", "EditorRightWithSelection"),
    ("cursorHomeSelect", "editor::SelectToBeginningOfLine", "EditorLineStartWithSelection"),
    ("cursorEndSelect", "editor::SelectToEndOfLine", "EditorLineEndWithSelection"),
    ("cursorTopSelect", "editor::SelectToBeginning", "EditorTextStartWithSelection"),
    ("cursorBottomSelect", "editor::SelectToEnd", "EditorTextEndWithSelection"),
    ("editor.action.selectAll", "editor::SelectAll", "$SelectAll"),
    ("expandLineSelection", "editor::SelectLine", "EditorSelectLine"),
    ("editor.action.smartSelect.expand", "editor::SelectLargerSyntaxNode", "EditorSelectWord"),
    ("editor.action.smartSelect.shrink", "editor::SelectSmallerSyntaxNode", "EditorUnSelectWord"),
    ("editor.action.addSelectionToNextFindMatch", "editor::SelectNext", "SelectNextOccurrence"),
    ("editor.action.selectHighlights", "editor::SelectAllMatches", "SelectAllOccurrences"),
    ("editor.action.insertCursorAbove", "editor::AddSelectionAbove", "EditorCloneCaretAbove"),
    ("editor.action.insertCursorBelow", "editor::AddSelectionBelow", "EditorCloneCaretBelow"),
    ("editor.action.clipboardCutAction", "editor::Cut", "$Cut"),
    ("editor.action.clipboardCopyAction", "editor::Copy", "$Copy"),
    ("editor.action.clipboardPasteAction", "editor::Paste", "$Paste"),
    ("undo", "editor::Undo", "$Undo"),
    ("redo", "editor::Redo", "$Redo"),
    ("deleteLeft", "editor::Backspace", "EditorBackSpace"),
    ("deleteRight", "editor::Delete", "$Delete"),
    ("deleteWordLeft", "editor::DeleteToPreviousWordStart", "EditorDeleteToWordStart"),
    ("deleteWordRight", "editor::DeleteToNextWordEnd", "EditorDeleteToWordEnd"),
    ("deleteAllRight", "editor::DeleteToEndOfLine", "EditorCutLineEnd"),
    ("editor.action.deleteLines", "editor::DeleteLine", "EditorDeleteLine"),
    ("editor.action.copyLinesDownAction", "editor::DuplicateLineDown", "EditorDuplicate"),
    ("editor.action.copyLinesUpAction", "editor::DuplicateLineUp", ""),
    ("editor.action.moveLinesUpAction", "editor::MoveLineUp", "MoveLineUp"),
    ("editor.action.moveLinesDownAction", "editor::MoveLineDown", "MoveLineDown"),
    ("editor.action.joinLines", "editor::JoinLines", "EditorJoinLines"),
    ("editor.action.insertLineAfter", "editor::NewlineBelow", "EditorStartNewLine"),
    ("editor.action.insertLineBefore", "editor::NewlineAbove", "EditorStartNewLineBefore"),
    ("editor.action.indentLines", "editor::Indent", "EditorIndentSelection"),
    ("editor.action.outdentLines", "editor::Outdent", "EditorUnindentSelection"),
    ("editor.action.commentLine", "editor::ToggleComments", "CommentByLineComment"),
    ("editor.action.blockComment", "", "CommentByBlockComment"),
    ("editor.fold", "editor::Fold", "CollapseRegion"),
    ("editor.unfold", "editor::UnfoldLines", "ExpandRegion"),
    ("editor.foldAll", "editor::FoldAll", "CollapseAllRegions"),
    ("editor.unfoldAll", "editor::UnfoldAll", "ExpandAllRegions"),
    ("editor.action.formatDocument", "editor::Format", "ReformatCode"),
    ("editor.action.organizeImports", "editor::OrganizeImports", "OptimizeImports"),
    ("editor.action.rename", "editor::Rename", "RenameElement"),
    ("editor.action.quickFix", "editor::ToggleCodeActions", "ShowIntentionActions"),
    ("editor.action.revealDefinition", "editor::GoToDefinition", "GotoDeclaration"),
    ("editor.action.goToTypeDefinition", "editor::GoToTypeDefinition", "GotoTypeDeclaration"),
    ("editor.action.goToImplementation", "editor::GoToImplementation", "GotoImplementation"),
    ("editor.action.goToReferences", "editor::FindAllReferences", "FindUsages"),
    ("editor.action.showHover", "editor::Hover", "QuickJavaDoc"),
    ("editor.action.triggerSuggest", "editor::ShowCompletions", "CodeCompletion"),
    ("editor.action.triggerParameterHints", "editor::ShowSignatureHelp", "ParameterInfo"),
    ("editor.action.marker.next", "editor::GoToDiagnostic", "GotoNextError"),
    ("editor.action.marker.prev", "editor::GoToPreviousDiagnostic", "GotoPreviousError"),
    ("editor.action.jumpToBracket", "editor::MoveToEnclosingBracket", "EditorMatchBrace"),
    ("editor.action.transformToUppercase", "editor::ConvertToUpperCase", ""),
    ("editor.action.transformToLowercase", "editor::ConvertToLowerCase", ""),
    ("editor.action.toggleWordWrap", "editor::ToggleSoftWrap", "EditorToggleUseSoftWraps"),
    ("actions.find", "buffer_search::Deploy", "Find"),
    ("editor.action.startFindReplaceAction", "buffer_search::DeployReplace", "Replace"),
    ("editor.action.nextMatchFindAction", "search::SelectNextMatch", "FindNext"),
    ("editor.action.previousMatchFindAction", "search::SelectPreviousMatch", "FindPrevious"),
    ("workbench.action.findInFiles", "workspace::NewSearch", "FindInPath"),
    ("workbench.action.replaceInFiles", "", "ReplaceInPath"),
    ("workbench.action.quickOpen", "file_finder::Toggle", "GotoFile"),
    ("workbench.action.showCommands", "command_palette::Toggle", "GotoAction"),
    ("workbench.action.gotoLine", "go_to_line::Toggle", "GotoLine"),
    ("workbench.action.gotoSymbol", "outline::Toggle", "FileStructurePopup"),
    ("workbench.action.showAllSymbols", "project_symbols::Toggle", "GotoSymbol"),
    ("workbench.action.navigateBack", "pane::GoBack", "Back"),
    ("workbench.action.navigateForward", "pane::GoForward", "Forward"),
    ("workbench.action.files.save", "workspace::Save", "SaveDocument"),
    ("workbench.action.files.saveAll", "workspace::SaveAll", "SaveAll"),
    ("workbench.action.files.newUntitledFile", "workspace::NewFile", "NewScratchFile"),
    ("workbench.action.files.openFile", "workspace::Open", "OpenFile"),
    ("workbench.action.closeActiveEditor", "pane::CloseActiveItem", "CloseContent"),
    ("workbench.action.closeAllEditors", "pane::CloseAllItems", "CloseAllEditors"),
    ("workbench.action.reopenClosedEditor", "pane::ReopenClosedItem", "ReopenClosedTab"),
    ("workbench.action.nextEditor", "pane::ActivateNextItem", "NextTab"),
    ("workbench.action.previousEditor", "pane::ActivatePreviousItem", "PreviousTab"),
    ("workbench.action.splitEditor", "pane::SplitRight", "SplitVertically"),
    ("workbench.action.splitEditorDown", "pane::SplitDown", "SplitHorizontally"),
    ("workbench.action.openSettings", "zed::OpenSettings", "ShowSettings"),
    ("workbench.action.toggleSidebarVisibility", "workspace::ToggleLeftDock", "ActivateProjectToolWindow"),
    ("workbench.action.togglePanel", "workspace::ToggleBottomDock", ""),
    ("workbench.action.terminal.toggleTerminal", "terminal_panel::ToggleFocus", "ActivateTerminalToolWindow"),
    ("workbench.action.terminal.new", "workspace::NewTerminal", "Terminal.NewTab"),
    ("workbench.action.toggleFullScreen", "zed::ToggleFullScreen", "ToggleFullScreen"),
    ("workbench.action.zoomIn", "zed::IncreaseUiFontSize", ""),
    ("workbench.action.debug.start", "debugger::Start", "Debug"),
    ("workbench.action.debug.run", "", "Run"),
    ("workbench.action.debug.stepOver", "debugger::StepOver", "StepOver"),
    ("workbench.action.debug.stepInto", "debugger::StepInto", "StepInto"),
    ("workbench.action.debug.stepOut", "debugger::StepOut", "StepOut"),
    ("editor.debug.action.toggleBreakpoint", "editor::ToggleBreakpoint", "ToggleLineBreakpoint"),
    ("workbench.action.quit", "zed::Quit", "Exit"),
];

/// Our name for a command of Zed.
pub(super) fn of_zed(theirs: &str) -> Option<&'static str> {
    COMMANDS.iter().find(|(_, zed, _)| *zed == theirs && !theirs.is_empty()).map(|(ours, ..)| *ours)
}

/// Our name for an action of JetBrains.
pub(super) fn of_jetbrains(theirs: &str) -> Option<&'static str> {
    COMMANDS.iter().find(|(.., jetbrains)| *jetbrains == theirs && !theirs.is_empty()).map(|(ours, ..)| *ours)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_command_is_in_the_table_once_in_every_editor() {
        type Row = (&'static str, &'static str, &'static str);
        for column in [|row: &Row| row.0, |row: &Row| row.1, |row: &Row| row.2] {
            let mut seen = HashSet::new();
            let twice: Vec<&str> =
                COMMANDS.iter().map(column).filter(|name| !name.is_empty() && !seen.insert(*name)).collect();
            assert_eq!(twice, [""; 0]);
        }
    }
}
