import type {
  CommandOptions,
  CommandResult,
  NodeSession,
  NodeSessions,
} from '../../../activities/connections/node-session';

/** Output of a read, or of a change, by its script. */
export type Answers = Readonly<Record<string, string | ((options: CommandOptions) => Partial<CommandResult>)>>;

export interface AnsweringNodes {
  sessions: NodeSessions;
  /** Nodes that were asked for a session. */
  opened: string[];
  /** Scripts that were read and changed, in order. */
  reads: string[];
  changes: string[];
}

/** Nodes that answer the scripts they know and fail for every other: what an activity does beside them is seen. */
export function answeringNodes(answersOf: (node: string) => { reads: Answers; changes?: Answers }): AnsweringNodes {
  const nodes: AnsweringNodes = {
    opened: [],
    reads: [],
    changes: [],
    sessions: {
      close: async () => {},
      open: async (_context, node) => {
        nodes.opened.push(node);
        return sessionOf(node);
      },
    },
  };

  function sessionOf(node: string): NodeSession {
    const { reads, changes = {} } = answersOf(node);
    const answer = (kind: 'reads' | 'changes', known: Answers, script: string, options: CommandOptions = {}) => {
      nodes[kind].push(script);
      const found = known[script];
      if (found === undefined) throw new Error(`${node} is asked for something else:\n${script.slice(0, 300)}`);
      return { code: 0, stdout: '', stderr: '', ...(typeof found === 'string' ? { stdout: found } : found(options)) };
    };
    return {
      node,
      read: async (script, options) => answer('reads', reads, script, options),
      change: async (_context, script, options) => answer('changes', changes, script, options),
      writeFile: () => Promise.reject(new Error('no file is written')),
      wasDoneBy: async () => false,
      runJob: () => Promise.reject(new Error('no job is run')),
      takeOwnership: async () => ({}),
    };
  }
  return nodes;
}
