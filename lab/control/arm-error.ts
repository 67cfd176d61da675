/** A refusal as Azure Resource Manager words it; becomes `{"error":{"code","message",...}}` with its HTTP status. */
export class ArmError extends Error {
  override readonly name = 'ArmError';

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly extra: ArmErrorExtra = {},
  ) {
    super(message);
  }

  toBody(): { error: ArmErrorBody } {
    return { error: this.toStatus() };
  }

  /** The form inside an operation's status document. */
  toStatus(): ArmErrorBody {
    const { target, details } = this.extra;
    return {
      code: this.code,
      message: this.message,
      ...(target === undefined ? {} : { target }),
      ...(details === undefined ? {} : { details: [...details] }),
    };
  }
}

export interface ArmErrorExtra {
  target?: string;
  details?: readonly ArmErrorDetail[];
  headers?: Readonly<Record<string, string>>;
}

export interface ArmErrorDetail {
  code: string;
  message: string;
}

export interface ArmErrorBody {
  code: string;
  message: string;
  target?: string;
  details?: ArmErrorDetail[];
}

/**
 * What the lab cannot do although Azure can. Said plainly instead of accepting what would then not work; the code is
 * the lab's own.
 */
export function notInLab(message: string, target?: string): ArmError {
  return new ArmError(400, 'FeatureNotSupportedInLab', message, target === undefined ? {} : { target });
}

export function resourceNotFound(type: string, name: string, group: string): ArmError {
  return new ArmError(
    404,
    'ResourceNotFound',
    `The Resource '${type}/${name}' under resource group '${group}' was not found. ` +
      'For more details please go to https://aka.ms/ARMResourceNotFoundFix',
  );
}

export function resourceGroupNotFound(group: string): ArmError {
  return new ArmError(404, 'ResourceGroupNotFound', `Resource group '${group}' could not be found.`);
}

export function resourceGroupBeingDeleted(group: string): ArmError {
  return new ArmError(
    409,
    'ResourceGroupBeingDeleted',
    `The resource group '${group}' is in deprovisioning state and cannot perform this operation.`,
  );
}

export function invalidResourceReference(missing: string, user: string): ArmError {
  return new ArmError(
    400,
    'InvalidResourceReference',
    `Resource ${missing} referenced by resource ${user} was not found. Please make sure that the referenced resource ` +
      'exists, and that both resources are in the same region.',
  );
}

/** The SDK waits for Retry-After and repeats by itself. */
export function referencedResourceNotProvisioned(used: string, user: string): ArmError {
  return new ArmError(429, 'RetryableError', 'A retryable error occured.', {
    headers: { 'Retry-After': '1' },
    details: [
      {
        code: 'ReferencedResourceNotProvisioned',
        message:
          `Cannot proceed with operation because resource ${used} used by resource ${user} is not in Succeeded state. ` +
          'Resource is in Updating state and the last operation that updated/is updating the resource has not finished.',
      },
    ],
  });
}

export function propertyChangeNotAllowed(property: string): ArmError {
  return new ArmError(409, 'PropertyChangeNotAllowed', `Changing property '${property}' is not allowed.`, {
    target: property,
  });
}

export function invalidParameter(message: string, target?: string): ArmError {
  return new ArmError(400, 'InvalidParameter', message, target === undefined ? {} : { target });
}

export function preconditionFailed(given: string, actual: string, id: string): ArmError {
  return new ArmError(412, 'PreconditionFailed', 'Precondition failed.', {
    details: [
      {
        code: 'PreconditionFailedEtagMismatch',
        message: `Etag provided in if-match header ${given} does not match etag ${actual} of resource ${id}.`,
      },
    ],
  });
}

export function operationNotAllowed(message: string): ArmError {
  return new ArmError(409, 'OperationNotAllowed', message);
}

export function computeConflict(): ArmError {
  return new ArmError(
    409,
    'Conflict',
    'The request failed due to conflict with a concurrent request. To resolve it, please refer to ' +
      'https://aka.ms/activitylog to get more details on the conflicting requests.',
  );
}
