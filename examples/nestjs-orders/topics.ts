/** What this service sends, by topic. A message with another body does not compile. */
export interface Topics {
  orders: { id: string; item: string; euros: number };
}
