/** Names in inputs, values never: activities resolve a secret when they need it. */
export interface SecretStore {
  /** The value, made once by `create` when it is missing. Concurrent callers get the same value. */
  ensure(name: string, create: () => string | Promise<string>): Promise<string>;
  /** Undefined when there is none. */
  read(name: string): Promise<string | undefined>;
  /** Where a person finds it (a path, or a vault URL): for messages, never the value. */
  locate(name: string): string;
  remove(name: string): Promise<void>;
}

/** Knows every secret value read in this process and cleans text of them, base64 forms included. */
export interface Redactor {
  register(value: string): void;
  redact(text: string): string;
}
