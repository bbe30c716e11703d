/** As the program runs: a young generation of one size. */
export const youngGeneration = ["--min-semi-space-size=32", "--max-semi-space-size=32"];

/** The value below which `share` of the values lie; of none, NaN. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** One line: name, figure, and the aim with whether it was met. */
export function line(
  name: string,
  figure: string,
  aim?: { readonly text: string; readonly met: boolean },
): void {
  const beside = aim === undefined ? "" : `   aim ${aim.text}: ${aim.met ? "met" : "MISSED"}`;
  console.log(`${name.padEnd(44)}${figure.padStart(12)}${beside}`);
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}
