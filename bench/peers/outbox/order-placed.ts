/** What the application tells of an order: with its padding, 256 bytes of JSON. */
export interface OrderPlaced {
  n: number;
  padding: string;
}
