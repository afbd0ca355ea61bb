// Keeps what a person types while what others wrote arrives. The relay merges what was sent; here the letters that
// were typed after that are put into the merged text, and the caret stays where it was among the letters.

interface Span {
  start: number;
  /** End of what is replaced, in the old text. */
  end: number;
  text: string;
}

/** The one span in which two texts differ. */
export function spanBetween(before: string, after: string): Span {
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before[start] === after[start]) start += 1;
  let same = 0;
  while (same < shorter - start && before[before.length - 1 - same] === after[after.length - 1 - same]) same += 1;
  return { start, end: before.length - same, text: after.slice(start, after.length - same) };
}

/** `mine` and `theirs` both come from `base`: what both changed. Where they touch, both stay, theirs first. */
export function rebased(base: string, mine: string, theirs: string): string {
  if (base === mine) return theirs;
  if (base === theirs) return mine;
  const own = spanBetween(base, mine);
  const other = spanBetween(base, theirs);
  const shift = other.text.length - (other.end - other.start);
  if (own.end <= other.start && own.start < other.start) {
    return theirs.slice(0, own.start) + own.text + theirs.slice(own.end);
  }
  if (own.start >= other.end) return theirs.slice(0, own.start + shift) + own.text + theirs.slice(own.end + shift);
  const behind = other.start + other.text.length;
  return theirs.slice(0, behind) + own.text + theirs.slice(behind);
}

/** Where a caret is after the text around it was replaced. */
export function movedCaret(before: string, after: string, caret: number): number {
  const { start, end, text } = spanBetween(before, after);
  if (caret <= start) return caret;
  if (caret >= end) return caret + text.length - (end - start);
  return start + text.length;
}
