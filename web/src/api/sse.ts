/** One server-sent event. */
export interface Sent {
  id: string | undefined;
  event: string;
  data: string;
}

/** Cuts a stream of text into server-sent events, wherever the pieces end. */
export class SentEvents {
  private rest = '';
  private id: string | undefined;
  private event = '';
  private data: string[] = [];
  /** What the server asks clients to wait before they come back, in milliseconds. */
  retryMs: number | undefined;

  /** The events that are whole with this piece. */
  push(piece: string): Sent[] {
    const found: Sent[] = [];
    const text = this.rest + piece;
    let from = 0;
    for (;;) {
      const end = text.indexOf('\n', from);
      if (end < 0) break;
      const line = text.slice(from, text[end - 1] === '\r' ? end - 1 : end);
      from = end + 1;
      const sent = this.line(line);
      if (sent) found.push(sent);
    }
    this.rest = text.slice(from);
    return found;
  }

  private line(line: string): Sent | undefined {
    if (line === '') {
      if (this.data.length === 0) return undefined;
      const sent = { id: this.id, event: this.event || 'message', data: this.data.join('\n') };
      this.data = [];
      this.event = '';
      return sent;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return undefined;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (field === 'data') this.data.push(value);
    else if (field === 'id') this.id = value;
    else if (field === 'event') this.event = value;
    else if (field === 'retry' && /^\d+$/.test(value)) this.retryMs = Number(value);
    return undefined;
  }
}
