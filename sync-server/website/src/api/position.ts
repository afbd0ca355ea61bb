// Places in the log of a space, written EPOCH:NUMBER.

/** Whether `position` comes after `other` in the same epoch. Positions of two epochs cannot be compared: then false. */
export function isAfter(position: string, other: string): boolean {
  const [epoch, number] = parts(position);
  const [otherEpoch, otherNumber] = parts(other);
  return epoch === otherEpoch && number > otherNumber;
}

/** The number in a position, for people. */
export function numberOf(position: string): number {
  return parts(position)[1];
}

function parts(position: string): [epoch: string, number: number] {
  const colon = position.indexOf(":");
  return [position.slice(0, colon), Number(position.slice(colon + 1))];
}
