/** Throws a `RangeError` that names the option, unless its value is a whole number from `min` to `max`. */
export function assertBetween(name: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new RangeError(`${name} is ${value}: expected a whole number from ${min} to ${max}`);
}
