FROM node:22-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY . .
RUN npm run build && npm prune --omit=dev

FROM node:22-bookworm-slim
ENV NODE_ENV=production \
    HALFBOX_HOST=0.0.0.0 \
    HALFBOX_PORT=3900 \
    HALFBOX_STORE_URL=sqlite:/data/halfbox.db
WORKDIR /app
COPY --from=build /app/package.json /app/LICENSE ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
EXPOSE 3900
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.HALFBOX_PORT + '/health/live').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# HALFBOX_API_KEYS must be set: without keys the broker refuses to listen beyond loopback.
CMD ["node", "--max-semi-space-size=32", "--v8-pool-size=2", "dist/src/main.js", "start"]
