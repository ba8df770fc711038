import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

@Entity('bill')
export class Bill {
  @PrimaryGeneratedColumn()
  number: number;

  @Column('char', { length: 36, name: 'order_id' })
  orderId: string;

  @Column()
  euros: number;
}
