import { Controller, Inject, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Problem, type FieldProblem } from '../message/problem.js';
import type { MessageView } from '../store/lookup-store.js';
import { HandlesDirectly } from './direct-routes.js';
import { check, invalidInput } from './endpoint.js';
import { getMessage, listMessages, manyMessages, recallMessage, sendMessages } from './endpoints/messages.js';
import { Handles } from './handles.js';
import { messageAnswer } from './message-answers.js';
import { messageInput, newMessage, type MessageInput } from './schemas/message.js';
import { SERVICES, type Services } from './services.js';
import { placeAnswer } from './transaction-answers.js';

/** The messages of a send: one, or `{messages}`. Chosen by the field, so that a refusal names what is wrong in it. */
function readMessages(body: unknown): MessageInput[] {
  const problems: FieldProblem[] = [];
  const several = typeof body === 'object' && body !== null && 'messages' in body;
  const messages = several
    ? check(manyMessages, body, problems)?.messages
    : [check(messageInput, body, problems)].filter((message) => message !== undefined);
  if (!messages || problems.length > 0) throw invalidInput(problems);
  return messages;
}

@Controller()
export class MessagesController {
  constructor(@Inject(SERVICES) private readonly services: Services) {}

  @HandlesDirectly(sendMessages)
  async send(request: FastifyRequest) {
    const sent = await this.#store(request);
    return { messages: sent.map(placeAnswer), durability: this.services.durability() };
  }

  /** Not async: while the store works nothing then holds what was read, which is as large as what is stored. */
  #store(request: FastifyRequest) {
    const messages = readMessages(sendMessages.read(request).body).map(newMessage);
    request.body = undefined;
    return this.services.sender.send(messages);
  }

  @Handles(getMessage)
  async get(@Req() request: FastifyRequest) {
    const { params } = getMessage.read(request);
    const view = await this.services.store.lookup.getMessage(params.id);
    if (!view) throw new Problem('message-not-found', `message ${params.id} does not exist`);
    return this.#show(view);
  }

  @Handles(listMessages)
  async list(@Req() request: FastifyRequest) {
    const { after, limit, ...filter } = listMessages.read(request).query;
    const { items, next } = await this.services.store.lookup.listMessages(filter, after, limit);
    return { items: await Promise.all(items.map((view) => this.#show(view))), next };
  }

  async #show(view: MessageView) {
    const { lookup } = this.services.store;
    return messageAnswer(view, view.state === 'visible' ? await lookup.deliveriesOf(view) : []);
  }

  @Handles(recallMessage)
  async recall(@Req() request: FastifyRequest): Promise<void> {
    const { params } = recallMessage.read(request);
    const outcome = await this.services.store.schedule.recall(params.id, this.services.clock.now());
    if (outcome === 'message-not-found') throw new Problem(outcome, `message ${params.id} does not exist`);
    if (outcome === 'not-recallable') throw new Problem(outcome, `message ${params.id} is not waiting for its time`);
  }
}
