import { createLoginGate } from '../../../activities/drill/login-gate';

describe('the gate before a login', () => {
  it('lets a few in, then the newest of those who wait when one is done', async () => {
    const admit = createLoginGate(2);
    const [first] = [await admit(), await admit()];
    const inside: string[] = [];
    const older = admit().then((done) => (inside.push('older'), done));
    const newer = admit().then((done) => (inside.push('newer'), done));

    first();
    // Twice is as good as once.
    first();
    const done = await newer;
    expect(inside).toEqual(['newer']);
    done();
    await older;

    expect(inside).toEqual(['newer', 'older']);
  });
});
