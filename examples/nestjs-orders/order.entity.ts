import { Column, Entity, PrimaryColumn } from 'typeorm';

@Entity('shop_order')
export class Order {
  @PrimaryColumn('char', { length: 36 })
  id: string;

  @Column()
  item: string;

  @Column()
  euros: number;
}
