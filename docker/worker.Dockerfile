# The worker alone; what it talks to is settings (docs/guide.md).
FROM node:22-slim AS build
WORKDIR /hadb
COPY package.json package-lock.json ./
# No install scripts: nothing here needs one, and "prepare" would compile before the sources are there.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json settings.ts ./
COPY activities activities
COPY client client
COPY cluster cluster
COPY lab lab
COPY processes processes
COPY worker worker
COPY workflows workflows
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM node:22-slim
RUN apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates \
  && rm -rf /var/lib/apt/lists/* \
  && install -d -o node -g node -m 0700 /var/lib/hadb /var/lib/hadb/secrets
WORKDIR /hadb
COPY --from=build /hadb/node_modules node_modules
COPY --from=build /hadb/dist dist
COPY package.json LICENSE ./
ENV NODE_ENV=production
USER node
CMD ["node", "dist/worker/main.js"]
