/** A message on its way to another system. */
export interface ExternalMessage {
  id: string;
  /** The subscription that forwards it. */
  topic: string;
  group: string;
  /** Counted from 1. */
  attempt: number;
  /** Messages with the same one keep their order where the transport has partitions: the ordering key, the key or the id. */
  partitionKey: string;
  /** The message as a push carries it. */
  data: Record<string, unknown>;
}

/** Sends to other systems over transports that the operator has named. */
export interface ExternalSender {
  /**
   * Emits an event and resolves when the transport has confirmed it as strongly as it can; `docs/microservices.md` says
   * what that is for each.
   * @param transport a name of the setting `microservices`
   * @param timeoutMs bound of the whole call; what is still under way then is given up, never sent later
   * @throws MicroserviceFailure when it was not confirmed; it may have been taken all the same
   */
  emit(transport: string, pattern: string, message: ExternalMessage, timeoutMs: number): Promise<void>;
}
