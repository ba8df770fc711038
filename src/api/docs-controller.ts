import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Controller, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { endpoints } from './endpoints.js';
import { docsAsset, docsPage, openApiDocument } from './endpoints/operations.js';
import { Handles } from './handles.js';
import { openApi } from './open-api.js';

const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Halfbox HTTP API</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<main id="docs"><noscript>The contract is at <a href="openapi.json">openapi.json</a>.</noscript></main>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
`;

const start = `SwaggerUIBundle({ url: 'openapi.json', dom_id: '#docs', docExpansion: 'list', validatorUrl: null });
`;

/** Nothing from elsewhere: the page works without a network. */
const contentSecurityPolicy =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";

const assetFolder = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));

/** The contract, for machines and for people. */
@Controller()
export class DocsController {
  readonly #document = JSON.stringify(openApi(endpoints));

  @Handles(openApiDocument)
  document(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply) {
    openApiDocument.read(request);
    reply.header('content-type', 'application/json; charset=utf-8');
    return this.#document;
  }

  @Handles(docsPage)
  page(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply) {
    docsPage.read(request);
    reply
      .header('content-type', 'text/html; charset=utf-8')
      .header('content-security-policy', contentSecurityPolicy)
      .header('x-content-type-options', 'nosniff');
    return page;
  }

  @Handles(docsAsset)
  async asset(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply) {
    const { asset } = docsAsset.read(request).params;
    const type = asset.endsWith('.css') ? 'text/css' : 'text/javascript';
    reply.header('content-type', `${type}; charset=utf-8`).header('x-content-type-options', 'nosniff');
    return asset === 'start.js' ? start : readFile(join(assetFolder, asset));
  }
}
