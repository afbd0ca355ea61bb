// A mistake in a page costs that page only, and says so; also when its script cannot be loaded.

import { Component, type ReactNode } from "react";

import { text } from "../text.ts";
import { Page } from "../ui/parts.tsx";
import { ProblemNote } from "../ui/ProblemNote.tsx";

export class RecoverFromErrors extends Component<{ children: ReactNode }, { error: unknown }> {
  override state: { error: unknown } = { error: null };

  static getDerivedStateFromError(error: unknown): { error: unknown } {
    return { error };
  }

  override render(): ReactNode {
    if (this.state.error === null) return this.props.children;
    return (
      <Page title={text.problem.page}>
        <ProblemNote error={this.state.error} onRetry={() => location.reload()} />
      </Page>
    );
  }
}
