/** Subject of the lab's certificate authority; a constant, so that its place in a guest's certificate directory is one. */
export const CERTIFICATE_AUTHORITY_NAME = 'CN=hadb lab certificate authority';

/** What `openssl x509 -hash` says of that subject: OpenSSL looks for an issuer by this name. */
export const CERTIFICATE_AUTHORITY_HASH = '64dad0e9';
