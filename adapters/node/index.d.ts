// Names of arguments and of records' fields are those of docs/bridge.md, which tells what they mean.

export type Scalar = string | number | boolean;
export type Context = Record<string, Scalar>;
/** Seconds since 1970 UTC (not milliseconds), a text with an offset from UTC, or a Date, which is told in local time. */
export type Moment = number | string | Date;

export interface Item {
  id: string;
  title?: string | null;
  tags?: readonly string[] | null;
  vector?: readonly number[];
  [attribute: string]: Scalar | readonly string[] | readonly number[] | null | undefined;
}

export interface When {
  at?: Moment | null;
}

export interface Happening extends When {
  kind?: string | null;
  value?: number | null;
  context?: Context | null;
  /** The slate from which it was chosen, or its id. */
  slate?: Slate | string | null;
}

export interface EventToRecord extends Happening {
  item_id: string;
}

export type Wanted = Scalar | readonly Scalar[] | { min?: number | string; max?: number | string };

export interface Arranging extends When {
  context?: Context | null;
  diversity?: number | null;
  caps?: Record<string, number> | null;
  boosts?: Record<string, number> | null;
  pinned?: readonly string[] | null;
  explore?: number;
  seed?: number | null;
  /** At most how many reasons an item; without it none are worded. */
  reasons?: number;
}

export interface Recommending extends Arranging {
  exclude?: readonly string[];
  where?: Record<string, Wanted> | null;
}

export interface Ranking extends Arranging {
  k?: number | null;
}

export interface Reason {
  text: string;
  group: string;
  contribution: number;
  n_events: number;
  last_at: number | null;
}

export interface Recommendation {
  item_id: string;
  score: number;
  position: number;
  propensity: number;
  known: boolean;
  reasons?: Reason[];
}

export class Slate implements Iterable<Recommendation> {
  private constructor();
  readonly id: string;
  readonly at_us: number;
  readonly offset_min: number;
  readonly n_candidates: number;
  readonly items: Recommendation[];
  readonly itemIds: string[];
  readonly length: number;
  [Symbol.iterator](): Iterator<Recommendation>;
}

export class SlatePromise extends Promise<Slate> implements AsyncIterable<Recommendation> {
  [Symbol.asyncIterator](): AsyncGenerator<Recommendation>;
}

export interface LoggedEvent {
  at_us: number;
  uid: string;
  item_id: string;
  kind: string;
  offset_min: number;
  value: number | null;
  context: Context;
  slate: string | null;
  shown: [item_id: string, position: number, propensity: number][];
}

export interface Term {
  feature: string;
  group: string;
  value: number;
  average: number;
  weight: number;
  contribution: number;
}

export interface Explanation {
  item_id: string;
  score: number;
  average_score: number;
  rank: number;
  n_candidates: number;
  terms: Term[];
  reasons: Reason[];
  events: LoggedEvent[];
}

export interface Habit {
  text: string;
  item_id: string;
  share: number;
  n_events: number;
  last_at: number | null;
}

export interface Profile {
  n_events: number;
  n_items: number;
  habits: Habit[];
  weights: Record<string, [mean: number, deviation: number]>;
  prior_weights: Record<string, number>;
  steers: Record<string, number>;
}

export interface Metric {
  mean: number | null;
  low: number | null;
  high: number | null;
}

export interface Evaluation {
  n_events: number;
  n_scored: number;
  metrics: Record<string, Record<string, Metric>>;
  n_by_trees: number;
}

export interface Estimate {
  value: number | null;
  low: number | null;
  high: number | null;
  n: number;
  n_effective: number | null;
  mean_weight: number | null;
  largest_weight: number | null;
  share_clipped: number | null;
  estimator: string;
  interval: string;
}

export interface Counterfactual {
  reason: string;
  n_slates: number;
  n_used: number;
  n_choices: number;
  examination: number[];
  shown: Estimate | null;
  by_position: Estimate | null;
  by_examination: Estimate | null;
  gain: Metric | null;
}

export interface Receipt {
  status: "erased" | "pending";
  reason: string;
  n_events: number;
  n_slate_rows: number;
  n_checkpoints: number;
  n_items: number;
  n_set_aside: number;
  n_stages: number;
  rebuilt: string[];
  n_refolded: number;
  n_files: number;
  size_bytes: number;
  ms: number;
}

export interface Finding {
  severity: "ok" | "warning" | "error";
  what: string;
  message: string;
}

export interface Stats {
  size_bytes: number;
  n_events: number;
  n_items: number;
  n_known_items: number;
  n_checkpoints: number;
  checkpoint_bytes: number;
  state_bytes: number;
  schema_version: number;
  feature_version: number;
  paused: boolean;
  erasure_pending: boolean;
  /** Null unless the settings ask for trees. */
  trees: TreeStats | null;
}

/** Whether the trees that came with a pack join the score, and how they fared on the own log. */
export interface PackTrees {
  serves: boolean;
  n_trees: number;
  n_choices: number;
  linear: number;
  both: number;
  gain: Metric;
}

/** What served from a stage of trees to the next one, and the evidence on which that was decided. */
export interface TreeDecision {
  stage: number;
  n_learnt: number;
  n_trees: number;
  serves: boolean;
  n_choices: number;
  gain: number;
  standard_error: number;
}

/** What the trees of one stage were worth on the choices that came after it: mean NDCG@10. */
export interface TreeStage {
  number: number;
  n_choices: number;
  linear: number;
  trees: number;
  both: number;
}

/** Which model serves where the settings ask for trees, and why. */
export interface TreeStats {
  serves: boolean;
  stage: number;
  growing: number;
  n_trees: number;
  size_bytes: number;
  n_choices: number;
  linear: number;
  trees: number;
  both: number;
  gain: Metric;
  history: TreeStage[];
  decisions: TreeDecision[];
  /** Null unless a pack brought trees. */
  pack: PackTrees | null;
}

/** Fields of recsys's Settings. */
export interface Settings {
  kind_weights?: Record<string, number>;
  session_gap_minutes?: number;
  choice_set_size?: number;
  checkpoint_events?: number;
  synchronous?: "full" | "normal";
  busy_timeout_ms?: number;
  keep_days?: number | null;
  keep_events?: number | null;
  time_resolution?: "microsecond" | "second" | "minute" | "hour" | "day";
  never_learn?: readonly string[];
  require_consent?: boolean;
  trees?: boolean;
  ballast?: boolean;
  once?: boolean | readonly string[];
  created?: string | null;
  expires?: string | null;
  dwell?: Record<string, number>;
}

export interface Opening {
  /** 32 random bytes, in hexadecimal digits. */
  key?: string | null;
  settings?: Settings | null;
  /** The path of a prior or of a prior pack. */
  prior?: string | null;
}

export interface Forgetting {
  events?: readonly string[];
  items?: readonly string[];
  kinds?: readonly string[];
  since?: Moment | null;
  until?: Moment | null;
  everything?: boolean;
}

export class Recommender {
  private constructor();
  static open(path: string, options?: Opening): Promise<Recommender>;
  add(items: readonly Item[]): Promise<number>;
  remove(ids: readonly string[]): Promise<number>;
  record(itemId: string, options?: Happening): Promise<string>;
  recordMany(events: readonly EventToRecord[]): Promise<string[]>;
  recordFrom(
    events: Iterable<EventToRecord> | AsyncIterable<EventToRecord>,
    options?: { size?: number },
  ): AsyncGenerator<string[]>;
  shown(slate: Slate, options?: When): Promise<string>;
  steer(tagOrItem: string, weight: number, options?: When): Promise<string>;
  recommend(k?: number, options?: Recommending): SlatePromise;
  rank(itemIds: readonly string[], options?: Ranking): SlatePromise;
  similar(itemId: string, k?: number, options?: When & { reasons?: number }): SlatePromise;
  explain(itemId: string, options?: When & { context?: Context | null }): Promise<Explanation>;
  profile(): Promise<Profile>;
  evaluate(): Promise<Evaluation>;
  whatIf(options?: { explore?: number; settings?: Settings | null; prior?: string | null }): Promise<Counterfactual>;
  forget(criteria: Forgetting): Promise<Receipt>;
  consent(purpose: string, options?: When): Promise<null>;
  consents(): Promise<Record<string, number>>;
  withdraw(purpose?: string | null): Promise<Receipt>;
  export(path: string): Promise<number>;
  import(path: string): Promise<number>;
  pause(): Promise<null>;
  resume(): Promise<null>;
  maintain(budgetMs?: number, options?: When): Promise<boolean>;
  rekey(key: string): Promise<null>;
  check(): Promise<Finding[]>;
  stats(): Promise<Stats>;
  close(): Promise<null>;
}

export function boot(options: { python: string }): Promise<void>;
export function call(method: string, given?: Record<string, unknown>): Promise<unknown>;
export function callSync(method: string, given?: Record<string, unknown>): unknown;
export function version(): Promise<Record<"recsys" | "bridge" | "python" | "numpy" | "sqlite", string>>;
export function schema(): Promise<Record<string, unknown>>;
export function batch(
  calls: readonly { method: string; arguments?: Record<string, unknown> | null }[],
): Promise<({ result: unknown } | { error: { kind: string; field: string | null; message: string } })[]>;
export function setAside(path: string, options?: { key?: string | null }): Promise<string>;
export function closeAll(): Promise<number>;

export namespace errors {
  class RecsysError extends Error {
    readonly kind: string;
    /** The argument that is wrong, or the missing extra. */
    readonly field: string | null;
  }
  class InputError extends RecsysError {}
  class StateError extends RecsysError {}
  class ClosedError extends StateError {}
  class PausedError extends StateError {}
  class ConsentError extends StateError {}
  class BudgetError extends StateError {}
  class ForkedError extends StateError {}
  class StoreError extends RecsysError {}
  class BusyError extends StoreError {}
  class FullError extends StoreError {}
  class CorruptError extends StoreError {}
  class VersionError extends StoreError {}
  class WrongKeyError extends StoreError {}
  class CheckpointError extends RecsysError {}
  class MissingExtraError extends RecsysError {}
  class InternalError extends RecsysError {}
  class BootError extends RecsysError {}
}
