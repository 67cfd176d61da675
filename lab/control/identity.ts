import { createHmac, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';
import { ArmError } from './arm-error';

/** The lab's one service principal. */
export interface Principal {
  tenantId: string;
  clientId: string;
  clientSecret: string;
  /** Object id; what a role would be assigned to. */
  objectId: string;
}

export interface TokenIssuer {
  /** Answers `POST /{tenant}/oauth2/v2.0/token`. */
  issue(tenant: string, form: URLSearchParams, authorization: string | undefined): TokenAnswer;
  /** A token for a machine's identity, as the metadata service hands it out. */
  issueForIdentity(identity: Caller & { resourceId: string; audience: string }): IdentityToken;
  /** The audience in the form of a claim; undefined for a resource that the lab has no tokens for. */
  audienceOf(resource: string): string | undefined;
  /** Whose valid token the header holds; throws 401 as ARM does when it holds none. */
  assertAuthorized(authorization: string | undefined): Caller;
}

/** Whose token a request carries. */
export interface Caller {
  objectId: string;
  clientId: string;
}

export interface IdentityToken {
  token: string;
  /** Seconds since 1970. */
  issuedAt: number;
  expiresAt: number;
}

export interface TokenAnswer {
  status: number;
  body: Record<string, unknown>;
}

/** Azure's tokens for managed identities live for a day. */
const IDENTITY_LIFETIME_SECONDS = 24 * 3600;

const AUDIENCES = new Set(['https://management.azure.com', 'https://management.core.windows.net']);

/**
 * Tokens are JWTs signed with the lab's own key, so they stay valid across restarts with nothing stored.
 *
 * @param lifetimeSeconds Azure gives 60 to 90 minutes; 3599 is what it commonly says.
 */
export function createTokenIssuer(options: {
  principal: Principal;
  signingKey: string;
  authorityHost: () => string;
  now: () => Date;
  lifetimeSeconds?: number;
}): TokenIssuer {
  const { principal, signingKey, authorityHost, now, lifetimeSeconds = 3599 } = options;

  const sign = (text: string) => createHmac('sha256', signingKey).update(text).digest('base64url');
  const seconds = () => Math.floor(now().getTime() / 1000);

  const unauthorized = (code: string, message: string, error = 'invalid_token') =>
    new ArmError(401, code, message, {
      headers: {
        'WWW-Authenticate':
          `Bearer authorization_uri="${authorityHost()}/${principal.tenantId}", error="${error}", ` +
          `error_description="${message.replaceAll('"', "'")}"`,
      },
    });

  const render = (claims: Record<string, unknown>): string => {
    const content = `${encode({ typ: 'JWT', alg: 'HS256' })}.${encode({
      iss: `https://sts.windows.net/${principal.tenantId}/`,
      tid: principal.tenantId,
      idtyp: 'app',
      uti: randomBytes(12).toString('base64url'),
      ver: '1.0',
      ...claims,
    })}`;
    return `${content}.${sign(content)}`;
  };
  const audienceOf = (resource: string): string | undefined => {
    const bare = resource.replace(/\/+$/, '');
    return AUDIENCES.has(bare) ? bare : undefined;
  };

  return {
    audienceOf,

    issueForIdentity({ objectId, clientId, resourceId, audience }) {
      const issuedAt = seconds();
      const expiresAt = issuedAt + IDENTITY_LIFETIME_SECONDS;
      const token = render({
        aud: audience,
        iat: issuedAt,
        nbf: issuedAt,
        exp: expiresAt,
        appid: clientId,
        oid: objectId,
        sub: objectId,
        xms_mirid: resourceId,
      });
      return { token, issuedAt, expiresAt };
    },

    issue(tenant, form, authorization) {
      const refuse = (status: number, error: string, code: number, text: string): TokenAnswer => {
        const trace = randomUUID();
        const correlation = randomUUID();
        const stamp = `${now().toISOString().slice(0, 19).replace('T', ' ')}Z`;
        return {
          status,
          body: {
            error,
            error_description: `AADSTS${code}: ${text} Trace ID: ${trace} Correlation ID: ${correlation} Timestamp: ${stamp}`,
            error_codes: [code],
            timestamp: stamp,
            trace_id: trace,
            correlation_id: correlation,
            error_uri: `https://login.microsoftonline.com/error?code=${code}`,
          },
        };
      };
      const basic = parseBasic(authorization);
      const clientId = form.get('client_id') ?? basic?.user ?? '';
      const clientSecret = form.get('client_secret') ?? basic?.password ?? '';
      if (tenant.toLowerCase() !== principal.tenantId.toLowerCase()) {
        return refuse(
          400,
          'invalid_request',
          90002,
          `Tenant '${tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.`,
        );
      }
      const grant = form.get('grant_type');
      if (grant !== 'client_credentials') {
        return refuse(
          400,
          'unsupported_grant_type',
          70003,
          `The app requested an unsupported grant type '${grant ?? ''}'.`,
        );
      }
      if (clientId.toLowerCase() !== principal.clientId.toLowerCase()) {
        return refuse(
          400,
          'unauthorized_client',
          700016,
          `Application with identifier '${clientId}' was not found in the directory 'hadb lab'. This can happen if the ` +
            'application has not been installed by the administrator of the tenant or consented to by any user in the tenant.',
        );
      }
      if (clientSecret === '') {
        return refuse(
          401,
          'invalid_client',
          7000218,
          "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
        );
      }
      if (!sameText(clientSecret, principal.clientSecret)) {
        return refuse(
          401,
          'invalid_client',
          7000215,
          'Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the ' +
            `client secret ID, for a secret added to app '${principal.clientId}'.`,
        );
      }
      const scope = form.get('scope') ?? form.get('resource') ?? '';
      const audience = audienceOf((scope.split(' ')[0] ?? '').replace(/\/\.default$/, ''));
      if (audience === undefined) {
        return refuse(
          400,
          'invalid_scope',
          1002012,
          `The provided value for scope ${scope} is not valid. Client credential flows must have a scope value with ` +
            '/.default suffixed to the resource identifier (application ID URI).',
        );
      }
      const issuedAt = seconds();
      const token = render({
        aud: audience,
        iat: issuedAt,
        nbf: issuedAt,
        exp: issuedAt + lifetimeSeconds,
        appid: principal.clientId,
        oid: principal.objectId,
      });
      return {
        status: 200,
        body: {
          token_type: 'Bearer',
          expires_in: lifetimeSeconds,
          ext_expires_in: lifetimeSeconds,
          access_token: token,
        },
      };
    },

    assertAuthorized(authorization) {
      if (authorization === undefined || authorization === '') {
        throw unauthorized('AuthenticationFailed', "Authentication failed. The 'Authorization' header is missing.");
      }
      const [scheme, token] = authorization.split(' ');
      const [header, payload, signature] = (token ?? '').split('.');
      if (
        scheme?.toLowerCase() !== 'bearer' ||
        header === undefined ||
        payload === undefined ||
        signature === undefined ||
        !sameText(signature, sign(`${header}.${payload}`))
      ) {
        throw unauthorized('InvalidAuthenticationToken', 'The access token is invalid.');
      }
      const claims = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as {
        exp: number;
        aud: string;
        oid: string;
        appid: string;
      };
      if (!AUDIENCES.has(claims.aud)) {
        throw unauthorized(
          'InvalidAuthenticationTokenAudience',
          `The access token has been obtained for wrong audience or resource '${claims.aud}'. It should exactly match with one ` +
            `of the allowed audiences '${[...AUDIENCES].join("','")}'.`,
        );
      }
      if (claims.exp <= seconds()) {
        throw unauthorized(
          'ExpiredAuthenticationToken',
          `The access token expiry UTC time '${new Date(claims.exp * 1000).toISOString()}' is earlier than current UTC time ` +
            `'${now().toISOString()}'.`,
        );
      }
      return { objectId: claims.oid, clientId: claims.appid };
    },
  };
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function sameText(a: string, b: string): boolean {
  const left = Buffer.from(a);
  const right = Buffer.from(b);
  return left.length === right.length && timingSafeEqual(left, right);
}

function parseBasic(authorization: string | undefined): { user: string; password: string } | undefined {
  if (authorization === undefined || !/^basic /i.test(authorization)) return undefined;
  const text = Buffer.from(authorization.slice(6), 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 0) return undefined;
  return {
    user: decodeURIComponent(text.slice(0, colon)),
    password: decodeURIComponent(text.slice(colon + 1)),
  };
}
