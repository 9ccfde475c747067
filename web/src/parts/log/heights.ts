/**
 * The heights of a list's rows, with their sums: adding a row, changing one, and finding the row at a place take as many steps as the count has
 * binary digits. Libraries for virtual lists add up all rows again whenever one is added, which at 100,000 lines takes longer than a frame.
 */
export class Heights {
  private sums: number[] = [0];
  private own: number[] = [];

  get count(): number {
    return this.own.length;
  }

  get total(): number {
    return this.before(this.own.length);
  }

  of(row: number): number {
    return this.own[row] ?? 0;
  }

  push(height: number): void {
    this.own.push(height);
    const at = this.own.length;
    const floor = at - (at & -at);
    let sum = height;
    for (let below = at - 1; below > floor; below -= below & -below) sum += this.sums[below] ?? 0;
    this.sums.push(sum);
  }

  set(row: number, height: number): void {
    const change = height - (this.own[row] ?? 0);
    if (change === 0) return;
    this.own[row] = height;
    for (let at = row + 1; at <= this.own.length; at += at & -at)
      this.sums[at] = (this.sums[at] ?? 0) + change;
  }

  /** The sum of the heights of all rows before `row`. */
  before(row: number): number {
    let sum = 0;
    for (let at = row; at > 0; at -= at & -at) sum += this.sums[at] ?? 0;
    return sum;
  }

  /** The row that is at this distance from the top; the last one below the end. */
  at(offset: number): number {
    let row = 0;
    let left = offset;
    for (let bit = 1 << (31 - Math.clz32(this.own.length || 1)); bit > 0; bit >>= 1) {
      const next = row + bit;
      const sum = this.sums[next];
      if (next <= this.own.length && sum !== undefined && sum <= left) {
        row = next;
        left -= sum;
      }
    }
    return Math.max(0, Math.min(row, this.own.length - 1));
  }

  clear(): void {
    this.sums = [0];
    this.own = [];
  }
}
