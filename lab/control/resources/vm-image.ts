import { ArmError, notInLab } from '../arm-error';

export const LAB_IMAGES = ['golden', 'clean', 'debian-sid'] as const;
export type LabImageName = (typeof LAB_IMAGES)[number];

export interface ImageReference {
  publisher?: string | undefined;
  offer?: string | undefined;
  sku?: string | undefined;
  version?: string | undefined;
  id?: string | undefined;
}

/**
 * The lab's images under the names of Azure's marketplace. `Debian:debian-12` is what the lab was started with
 * (`hadb lab up --image`, golden unless said otherwise); `hadb:lab:<image>` is that image for certain.
 */
export function findLabImage(
  reference: ImageReference,
  available: readonly LabImageName[],
): { image: LabImageName; exactVersion: string } {
  if (reference.id !== undefined) throw notInLab('The lab has no image resources.', 'imageReference.id');
  const publisher = (reference.publisher ?? '').toLowerCase();
  const offer = (reference.offer ?? '').toLowerCase();
  const sku = (reference.sku ?? '').toLowerCase();
  const image = wantedImage(publisher, offer, sku, available);
  if (image === undefined || !available.includes(image)) {
    throw new ArmError(
      404,
      'PlatformImageNotFound',
      `The platform image '${reference.publisher}:${reference.offer}:${reference.sku}:${reference.version}' is not available. ` +
        'Verify that all fields in the storage profile are correct. For more details about storage profile information, please ' +
        `refer to https://aka.ms/storageprofile. This lab has Debian:debian-12:12-gen2 and ` +
        `${available.map((name) => `hadb:lab:${name}`).join(', ')}; add one with: hadb lab up --image <name>.`,
      { target: 'imageReference' },
    );
  }
  return { image, exactVersion: image === 'debian-sid' ? '0.0.1' : '0.12.1' };
}

function wantedImage(
  publisher: string,
  offer: string,
  sku: string,
  available: readonly LabImageName[],
): LabImageName | undefined {
  if (publisher === 'debian' && offer.startsWith('debian-12') && sku.startsWith('12')) {
    return available.find((name) => name !== 'debian-sid');
  }
  if (publisher === 'debian' && offer.startsWith('debian-sid')) return 'debian-sid';
  if (publisher === 'hadb' && offer === 'lab') return LAB_IMAGES.find((name) => name === sku);
  return undefined;
}
