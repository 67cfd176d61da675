/** The module that the worker and the bundler name in `workflowModules`. */
export { interceptors } from './step-summary';
