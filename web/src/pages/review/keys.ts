import type { FileRows, RowPlace } from './rows';
import css from './rows.module.css';

/** The rows of what is on the page, by the element that holds them. */
export const rowsOf = new WeakMap<Element, FileRows>();

export interface Current extends RowPlace {
  path: string;
  element: HTMLElement;
}

/** What is above is behind the bars that stay. */
const TOP = 125;

/** The line that keys are about, marked on the page. */
export class Cursor {
  private row: HTMLElement | undefined;

  constructor(private readonly root: HTMLElement) {}

  get current(): Current | undefined {
    const { row } = this;
    if (!row?.isConnected) return undefined;
    for (let at: Element | null = row; at && at !== this.root; at = at.parentElement) {
      const place = rowsOf.get(at)?.rowOf(row);
      const path = at.closest<HTMLElement>('[data-path]')?.dataset.path;
      if (place && path !== undefined) return { ...place, path, element: row };
    }
    return undefined;
  }

  /** To the next (`by` 1) or the last (-1) line, or the line that begins a hunk. */
  move(by: 1 | -1, hunks: boolean): HTMLElement | undefined {
    const walker = this.walk(hunks ? css.hunk : css.line);
    const { row } = this;
    // From where reading stands, when nothing is marked.
    if (row?.isConnected) walker.currentNode = (hunks && by < 0 && row.closest(`.${css.hunk}`)) || row;
    else walker.currentNode = this.inView() ?? this.root;
    const found = by > 0 ? walker.nextNode() : walker.previousNode();
    const next =
      found instanceof HTMLElement && hunks ? found.querySelector<HTMLElement>(`.${css.line}`) : found;
    if (!(next instanceof HTMLElement)) return undefined;
    this.set(next);
    return next;
  }

  /** Over what is not closed. */
  private walk(className: string | undefined): TreeWalker {
    return document.createTreeWalker(this.root, NodeFilter.SHOW_ELEMENT, (node) => {
      if (!(node instanceof HTMLElement) || node.hidden) return NodeFilter.FILTER_REJECT;
      return className && node.classList.contains(className)
        ? NodeFilter.FILTER_ACCEPT
        : NodeFilter.FILTER_SKIP;
    });
  }

  /** What stands in front of the first line in view. What is not in view is not measured: that would make its layout. */
  private inView(): Element | undefined {
    const below = (element: Element) => element.getBoundingClientRect().bottom > TOP;
    let at: Element | undefined;
    for (const inside of ['[data-path]', `.${css.block}`, `.${css.line}`]) {
      const found: Element | undefined = [...(at ?? this.root).querySelectorAll(inside)].find(below);
      if (!found) break;
      at = found;
    }
    return at?.previousElementSibling ?? at;
  }

  set(row: HTMLElement): void {
    this.row?.classList.remove(css.current ?? '');
    this.row = row;
    row.classList.add(css.current ?? '');
    const { top, bottom } = row.getBoundingClientRect();
    if (top < TOP || bottom > innerHeight - 80) row.scrollIntoView({ block: 'center' });
  }

  clear(): void {
    this.row?.classList.remove(css.current ?? '');
    this.row = undefined;
  }
}
