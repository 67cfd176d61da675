import { HostProgramError, runProgram } from '../../../lab/images/host-programs';

describe('a program of the host', () => {
  const failure = (script: string): Promise<unknown> =>
    runProgram('sh', ['-c', script]).then(
      () => 'no failure',
      (error: unknown) => error,
    );

  it('that fails is told with its command, its exit code and its last lines', async () => {
    const error = await failure('echo begun; echo broken >&2; exit 7');

    expect(error).toBeInstanceOf(HostProgramError);
    expect((error as Error).message).toMatch(/^sh -c .* … ended with 7:\n(?:begun\nbroken|broken\nbegun)$/);
  });

  it('that finds the disk full says what makes room', async () => {
    const error = await failure('dd if=/dev/zero of=/dev/full bs=1 count=1');

    expect((error as Error).message).toMatch(/No space left on device\n(?:.*\n)*The disk is full\. .*HADB_CACHE_DIR/);
  });
});
