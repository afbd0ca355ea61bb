import { act, cleanup, render, screen } from "@testing-library/react";
import { MemoryRouter } from "react-router";
import { afterEach, expect, test, vi } from "vitest";

import { RecoverFromErrors } from "../app/RecoverFromErrors.tsx";
import { text } from "../text.ts";
import { later } from "./later.tsx";

afterEach(cleanup);

const Piece = ({ word }: { word: string }) => <p>{word}</p>;

test("a piece is a skeleton until its script is there, and at once what it is the next time", async () => {
  let arrive = (): void => undefined;
  const script = vi.fn(
    () => new Promise<{ default: typeof Piece }>((done) => (arrive = () => done({ default: Piece }))),
  );
  const { View } = later(script);
  const { unmount } = render(<View word="here" />);
  expect(screen.queryByText("here")).toBeNull();
  await act(async () => {
    arrive();
    await Promise.resolve();
  });
  expect(screen.getByText("here")).toBeDefined();
  unmount();
  render(<View word="again" />);
  expect(screen.getByText("again")).toBeDefined();
  expect(script).toHaveBeenCalledTimes(1);
});

test("a script that does not come is said where the piece would be", async () => {
  vi.spyOn(console, "error").mockImplementation(() => undefined);
  const { View } = later<object>(() => Promise.reject(new TypeError("no script")));
  await act(async () => {
    render(
      <MemoryRouter>
        <RecoverFromErrors>
          <View />
        </RecoverFromErrors>
      </MemoryRouter>,
    );
    await Promise.resolve();
  });
  expect(document.body.textContent).toContain(text.problem.page);
  vi.restoreAllMocks();
});
