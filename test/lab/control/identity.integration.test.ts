import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createTokenIssuer } from '../../../lab/control/identity';
import { startTestLab } from './lab-fixture';
import type { TestLab } from './lab-fixture';

const RESOURCE_GROUPS = (lab: TestLab) =>
  `/subscriptions/${lab.document.subscriptionId}/resourcegroups?api-version=2025-04-01`;

describe('who may talk to the lab', () => {
  let lab: TestLab;
  let clock = new Date();

  beforeAll(async () => {
    lab = await startTestLab({ now: () => clock });
  });
  afterAll(() => lab.close());
  beforeEach(() => {
    clock = new Date();
  });

  it('gives a token to the right client secret, and ARM takes it', async () => {
    const { token, expiresOnTimestamp } = await lab
      .clients()
      .credential.getToken('https://management.azure.com/.default');

    expect(expiresOnTimestamp - Date.now()).toBeGreaterThan(3_500_000);
    const answer = await lab.request('GET', RESOURCE_GROUPS(lab), { authorization: `Bearer ${token}` });
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({ value: [] });
  });

  it('refuses a wrong client secret with the error of Entra ID', async () => {
    await expect(lab.clients('wrong').credential.getToken('https://management.azure.com/.default')).rejects.toThrow(
      /AADSTS7000215: Invalid client secret provided/,
    );
  });

  it.each([
    ['another tenant', '11111111-1111-1111-1111-111111111111', {}, 400, /AADSTS90002/],
    ['another client', undefined, { client_id: '22222222-2222-2222-2222-222222222222' }, 400, /AADSTS700016/],
    ['no secret', undefined, { client_secret: '' }, 401, /AADSTS7000218/],
    ['another grant', undefined, { grant_type: 'password' }, 400, /AADSTS70003/],
    ['another scope', undefined, { scope: 'https://graph.microsoft.com/.default' }, 400, /AADSTS1002012/],
  ])('refuses %s', (_what, tenant, changed, status, description) => {
    const { document } = lab;
    const issuer = createTokenIssuer({
      principal: document,
      signingKey: 'key',
      authorityHost: () => document.authorityHost,
      now: () => clock,
    });
    const form = new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: document.clientId,
      client_secret: document.clientSecret,
      scope: 'https://management.azure.com/.default',
      ...changed,
    });

    const answer = issuer.issue(tenant ?? document.tenantId, form, undefined);

    expect(answer.status).toBe(status);
    expect(answer.body['error_description']).toMatch(description);
  });

  it('takes the client secret from a Basic header as well', () => {
    const { document } = lab;
    const issuer = createTokenIssuer({
      principal: document,
      signingKey: 'key',
      authorityHost: () => document.authorityHost,
      now: () => clock,
    });
    const form = new URLSearchParams({
      grant_type: 'client_credentials',
      scope: 'https://management.azure.com/.default',
    });
    const basic = Buffer.from(`${document.clientId}:${encodeURIComponent(document.clientSecret)}`).toString('base64');

    expect(issuer.issue(document.tenantId, form, `Basic ${basic}`).status).toBe(200);
  });

  it('answers 401 with the way to a token when there is none', async () => {
    const answer = await lab.request('GET', RESOURCE_GROUPS(lab), { authorization: null });

    expect(answer.status).toBe(401);
    expect(answer.error.code).toBe('AuthenticationFailed');
    expect(answer.header('www-authenticate')).toContain(
      `Bearer authorization_uri="${lab.document.authorityHost}/${lab.document.tenantId}", error="invalid_token"`,
    );
  });

  it('refuses a token whose signature is not its own', async () => {
    const { token } = await lab.clients().credential.getToken('https://management.azure.com/.default');
    const [header, , signature] = token.split('.');
    const forged = Buffer.from(JSON.stringify({ aud: 'https://management.azure.com', exp: 9e9 })).toString('base64url');

    const answer = await lab.request('GET', RESOURCE_GROUPS(lab), {
      authorization: `Bearer ${header}.${forged}.${signature}`,
    });

    expect([answer.status, answer.error.code]).toEqual([401, 'InvalidAuthenticationToken']);
  });

  it.each(['Bearer', 'Bearer garbage', 'Bearer a.b.c', 'Basic dXNlcjpwYXNzd29yZA=='])(
    'refuses "%s", which is no token of its own',
    async (authorization) => {
      const answer = await lab.request('GET', RESOURCE_GROUPS(lab), { authorization });

      expect([answer.status, answer.error.code]).toEqual([401, 'InvalidAuthenticationToken']);
    },
  );

  it('refuses a token of its own that is meant for something else', async () => {
    const key = readFileSync(join(lab.stateDirectory, 'control', 'token-signing-key'), 'utf8');
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const claims = { aud: 'https://graph.microsoft.com', exp: Math.floor(Date.now() / 1000) + 600 };
    const signed = `${encode({ typ: 'JWT', alg: 'HS256' })}.${encode(claims)}`;
    const signature = createHmac('sha256', key).update(signed).digest('base64url');

    const answer = await lab.request('GET', RESOURCE_GROUPS(lab), { authorization: `Bearer ${signed}.${signature}` });

    expect([answer.status, answer.error.code]).toEqual([401, 'InvalidAuthenticationTokenAudience']);
  });

  it('changes nothing for who has no token', async () => {
    const group = `/subscriptions/${lab.document.subscriptionId}/resourcegroups/stranger?api-version=2025-04-01`;

    const answer = await lab.request('PUT', group, { body: { location: 'westeurope' }, authorization: 'Bearer a.b.c' });

    expect(answer.status).toBe(401);
    expect((await lab.request('GET', group)).status).toBe(404);
  });

  it('refuses a token after its time, and takes one across a restart before it', async () => {
    const { token } = await lab.clients().credential.getToken('https://management.azure.com/.default');
    const authorization = `Bearer ${token}`;

    await lab.restart();
    expect((await lab.request('GET', RESOURCE_GROUPS(lab), { authorization })).status).toBe(200);

    clock = new Date(Date.now() + 3_600_000);
    const late = await lab.request('GET', RESOURCE_GROUPS(lab), { authorization });
    expect([late.status, late.error.code]).toEqual([401, 'ExpiredAuthenticationToken']);
  });
});
