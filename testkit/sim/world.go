package sim

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/simbroker"
	"github.com/weirstreams/weir/internal/clock"
	"github.com/weirstreams/weir/internal/engine"
	"github.com/weirstreams/weir/internal/engine/provision"
	"github.com/weirstreams/weir/internal/graph"
)

const groupName = "sim"

// world is everything that a run consists of.
type world struct {
	simulation *Simulation
	seed       uint64
	random     random
	config     config
	trace      func(line string)

	clock  *clock.Virtual
	broker *simbroker.Broker
	plan   *graph.Plan
	// reference is the topology of the model.
	reference *graph.Plan
	members   []*member
	// unlogged says that a store has no changelog, diskLost that a disk was lost.
	unlogged, diskLost bool
	// current is the routine that runs.
	current *routine
	// calm is set when nothing fails any more.
	calm bool
	down bool

	topics     *provision.Topics
	partitions map[string]int32 // of topics
	// dynamic are the topics that functions of the topology have named.
	dynamic []string
	// purged are the records that were deleted from repartition topics.
	purged map[broker.TopicPartition][]broker.Record
	// pausing chooses pauses, and standing are the tasks that stand still.
	pausing       random
	standing      map[string]standing
	losing        losing
	growing       growing
	allPartitions []broker.TopicPartition // sorted
	changelogs    map[string]bool
	allTasks      []task
	// ordered are the topics of tasks with state that have several inputs; order is the order of processing, by task.
	ordered   map[string]bool
	order     map[string][]place
	committed map[broker.TopicPartition]int64
	// atOnce is set if all input is there before the first process starts.
	atOnce bool
	// clocked is set if an operator may wait for the time of the clock.
	clocked bool
	// late are the routines with requests that are held up.
	late []*routine
	// leaderless says until when partitions have no leader, and the group no coordinator.
	leaderless map[broker.TopicPartition]time.Time

	// timers are the timers of config.engine.AfterFunc.
	timers []*timer

	// resumes counts, while a run comes to rest, how often routines were resumed.
	resumes int

	inputs   []input
	problems []string
	// read has how many records of each split were read at most.
	read map[string]int
	// acknowledged has how many records of each queue are acknowledged.
	acknowledged map[string]int
	// sinks has the records of sinks, and prepared the work of those in two phases, by token.
	sinks    map[sinkPlace][]string
	prepared map[string]*preparedWork

	steps, processes, crashes, errors int
	digest                            uint64
}

// input is the rest of the input of a topic.
type input struct {
	topic   string
	records []Record
}

// task is a task of the plan.
type task struct {
	part      *graph.SubTopology
	partition int32
	topics    []string // those that have the partition
	dir       string
}

// config has the choices of the seed before a run.
type config struct {
	engine                                    engine.Config
	workers, partitions                       int
	session, rebalance, transaction, interval time.Duration
	interleave                                int
	// lag is how old records of changelogs are when compaction begins to look at them.
	lag     time.Duration
	faults  faults
	pebble  bool
	actions int
}

func newWorld(s *Simulation, seed uint64) (*world, error) {
	w := &world{
		simulation: s, seed: seed, random: newRandom(seed), trace: s.Trace,
		clock:      clock.NewVirtual(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)),
		changelogs: map[string]bool{}, purged: map[broker.TopicPartition][]broker.Record{}, ordered: map[string]bool{}, order: map[string][]place{}, leaderless: map[broker.TopicPartition]time.Time{},
		sinks: map[sinkPlace][]string{}, prepared: map[string]*preparedWork{}, read: map[string]int{}, acknowledged: map[string]int{},
		plan: graph.NewPlan(s.Topology.Graph(), groupName),
	}
	if s.DeadLetters {
		w.plan.DeadLetters = DeadLettersTopic
	}
	w.reference = w.plan
	if s.Reference != nil {
		w.reference = graph.NewPlan(s.Reference.Graph(), groupName)
	}
	w.clocked = slices.ContainsFunc(w.plan.Graph.Nodes, func(n *graph.Node) bool { return n.Kind == "process" || waitsByTheClock(n) })
	w.broker = simbroker.New(w.clock)
	members := w.configure()
	if err := w.createTopics(); err != nil {
		return nil, err
	}
	for i := range members {
		m := &member{number: i}
		if w.config.pebble {
			m.disk = newPebbleDisk()
		} else {
			m.disk = newMemoryDisk()
		}
		if w.random.oneIn(3) {
			m.instance = fmt.Sprintf("instance-%d", i)
		}
		w.members = append(w.members, m)
	}
	inputs := s.Inputs(w.random.Rand)
	for _, in := range inputs {
		w.inputs = append(w.inputs, input{in.Topic, in.Records})
		for _, r := range in.Records {
			w.reach(r.Millis)
		}
	}
	w.feedGlobals(inputs)
	if s.Grows {
		w.configureGrowth()
	}
	for i := range w.inputs {
		if in := &w.inputs[i]; w.atOnce {
			w.write(in, len(in.records))
		}
	}
	w.broker.OnCall = w.onCall
	w.broker.Wait = w.waitForBroker
	w.broker.MaxBatchRecords = pick(w.random, 1, 3, 10, 500)
	w.broker.DeliverOnSend = w.random.oneIn(2)
	w.broker.SlowGroups = w.random.oneIn(3)
	if limit := w.config.faults.marker; limit > 0 {
		w.broker.MarkerDelay = func(broker.TopicPartition) time.Duration {
			if w.calm {
				return 0
			}
			return w.random.upTo(limit)
		}
	}
	return w, nil
}

// partialSalt leaves the kept seeds of this package's tests as they were found.
const partialSalt = 12

// commitSalt is that of the commits of sinks in two phases that wait for a later step.
const commitSalt = 14

// configure lets the seed choose all open settings of the simulation.
func (w *world) configure() (members int) {
	r, s := w.random, w.simulation
	choose := func(given, low, high int) int {
		if n := r.between(low, high); given == 0 {
			return n
		}
		return given
	}
	c := &w.config
	members = choose(s.Members, 1, 3)
	c.workers = choose(s.Workers, 1, 2)
	c.partitions = choose(s.Partitions, 1, 4)
	c.interval = pick(r, 20*time.Millisecond, 200*time.Millisecond, time.Second, 5*time.Second)
	c.session = 10 * time.Second
	c.rebalance = 30 * time.Second
	c.transaction = max(4*c.interval, pick(r, 5*time.Second, 20*time.Second, 60*time.Second))
	c.interleave = pick(r, 1, 2, 5, 20)
	c.actions = r.between(100, 1500)
	c.lag = pick(r, 0, 5*time.Second, 30*time.Second)
	c.pebble = r.oneIn(20) && !s.NoPebble
	c.faults = chooseFaults(r, s.Faults)
	if slices.ContainsFunc(w.plan.Graph.Nodes, func(n *graph.Node) bool { return n.External != nil }) {
		c.faults.chooseSinkFaults(r, s.Faults)
		// That of production: with a shorter one, compaction during the restore of a zombie lets it write lines of a wrong state to its sinks.
		c.lag = 15 * time.Minute
	}
	exactlyOnce := r.oneIn(2)
	if s.Guarantee != Either {
		exactlyOnce = s.Guarantee == ExactlyOnce
	}
	c.engine = engine.Config{
		ExactlyOnce: exactlyOnce, RevokeTimeout: time.Minute, CheckpointInterval: c.interval,
		CodecTimeout: -1, CheckpointRecords: pick(r, 0, 0, 1, 3, 10), CheckpointBytes: pick[int64](r, 64<<20, 64<<20, 500),
		CacheBytes: pick[int64](r, 1<<20, 1<<20, 0), Linger: pick(r, 0, 50*time.Millisecond),
		MaxBufferedRecords: pick(r, 0, 0, 1, 5), MaxBufferedBytes: pick[int64](r, 0, 0, 200),
		Clock: w.clock, Logger: slog.New(&logHandler{w}), CreateTopics: true, Sequential: true, Replication: -1, Partitions: int32(c.partitions),
	}
	if s.Faults&Membership != 0 && r.oneIn(8) {
		c.engine.RevokeTimeout = -1 // no checkpoint is ever made in time
	}
	if s.Live {
		c.engine.IdleTimeout = time.Duration(pick(r, 10, 30)) * max(c.interval, 500*time.Millisecond)
	}
	// From a generator of its own: all other meanings of a seed stay.
	if r := newRandom(w.seed ^ partialSalt); r.oneIn(3) { // restores are written in parts
		c.engine.MaxLoadBytes, c.engine.MinLoadBytes = 1, r.between(200, 600)
		c.engine.LoadRecords = pick(r, 3, 3, 10)
	}
	w.configureLimits(newRandom(w.seed^limitSalt), s)
	w.configureLosses(newRandom(w.seed^lossSalt), s)
	w.pausing = newRandom(w.seed ^ pauseSalt)
	later := newRandom(w.seed ^ commitSalt)
	c.engine.CommitLater = func() bool { return !w.calm && later.oneIn(2) }
	w.tracef("seed %d: exactly once %v, Pebble %v, %d members, %d workers, %d partitions, %+v", w.seed, exactlyOnce, c.pebble, members, c.workers, c.partitions, c.faults)
	return members
}

// reach moves the clock to the time of a record, up to the year 2100, as the driver of package testkit does: a record ahead of the clock by more
// than MaxFutureSkew counts as one of a wrong clock, and the model has no clock.
func (w *world) reach(millis int64) {
	if at := time.UnixMilli(millis); at.After(w.clock.Now()) && at.Year() < 2100 {
		w.clock.Advance(at.Sub(w.clock.Now()))
	}
}

func (w *world) createTopics() error {
	for _, n := range w.plan.Graph.Nodes {
		declared, _, ok := n.Declared()
		if !ok {
			continue
		}
		if declared == 0 {
			declared = int32(w.config.partitions)
		}
		if err := w.broker.CreateTopic(broker.TopicSpec{Name: w.plan.Topic(n), Partitions: declared, Replication: -1}); err != nil {
			return err
		}
	}
	var err error
	if w.topics, err = w.prepareTopics(); err != nil {
		return err
	}
	w.partitions = maps.Clone(w.topics.Partitions)
	w.findTasks()
	for _, part := range w.plan.SubTopologies {
		for _, s := range part.Stores {
			if s.Changelog == "" {
				w.unlogged = true
				continue
			}
			w.changelogs[s.Changelog] = true
			if err := w.broker.Configure(s.Changelog, "min.compaction.lag.ms", strconv.FormatInt(w.config.lag.Milliseconds(), 10)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *world) prepareTopics() (*provision.Topics, error) {
	return provision.Prepare(context.Background(), w.broker, w.plan, provision.Options{DeadLetters: w.config.engine.Errors.DeadLetters, Replication: -1, Logger: slog.New(slog.DiscardHandler)})
}

// findTasks finds the partitions of all topics, and the tasks that read them.
func (w *world) findTasks() {
	w.allPartitions, w.allTasks = nil, nil
	for _, topic := range slices.Sorted(maps.Keys(w.partitions)) {
		for n := range w.partitions[topic] {
			w.allPartitions = append(w.allPartitions, broker.TopicPartition{Topic: topic, Partition: n})
		}
	}
	for _, part := range w.plan.SubTopologies {
		tasks := map[int32]*task{}
		var count int32
		for _, n := range part.Sources {
			topic := w.plan.Topic(n)
			if len(part.Sources) > 1 && len(part.Stores) > 0 {
				w.ordered[topic] = true
			}
			for p := range w.partitions[topic] {
				if tasks[p] == nil {
					tasks[p] = &task{part: part, partition: p, dir: fmt.Sprintf("%s/%d", part.StreamID, p)}
				}
				tasks[p].topics = append(tasks[p].topics, topic)
				count = max(count, p+1)
			}
		}
		for p := range count {
			w.allTasks = append(w.allTasks, *tasks[p])
		}
	}
}

func (w *world) tasks() []task { return w.allTasks }

// failf notes that the run has failed.
func (w *world) failf(format string, args ...any) {
	problem := fmt.Sprintf(format, args...)
	w.tracef("FAILED: %s", problem)
	w.problems = append(w.problems, problem)
}

func (w *world) tracef(format string, args ...any) {
	if w.trace == nil {
		return
	}
	who := ""
	if w.current != nil {
		who = " [" + w.current.name + "]"
	}
	w.trace(fmt.Sprintf("%s%s %s", w.clock.Now().Format("15:04:05.000"), who, fmt.Sprintf(format, args...)))
}

// logHandler writes the log of the engine into the trace, and fails the run for messages that must never appear.
type logHandler struct{ world *world }

func (h *logHandler) Enabled(_ context.Context, level slog.Level) bool {
	return h.world.trace != nil || level >= slog.LevelWarn
}

func (h *logHandler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(r.Message)
	r.Attrs(func(a slog.Attr) bool {
		fmt.Fprintf(&b, " %s=%v", a.Key, a.Value)
		return true
	})
	skipped := h.world.simulation.Skip != nil && (r.Message == "record skipped" || r.Message == "record written as a dead letter")
	if r.Level >= slog.LevelError && !skipped && !h.world.noteLoss(&r) {
		h.world.failf("logged: %s", b.String())
	} else {
		h.world.tracef("log: %s", b.String())
	}
	return nil
}
func (h *logHandler) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h *logHandler) WithGroup(string) slog.Handler      { return h }

// waitForBroker is called by a client that can do nothing but wait.
func (w *world) waitForBroker(deadline time.Time) {
	r := w.current
	if r == nil {
		w.clock.Advance(time.Second)
		return
	}
	if r.process.dead {
		panic(errCrash)
	}
	r.wakeAt = w.clock.Now().Add(time.Second)
	if deadline.Before(r.wakeAt) {
		r.wakeAt = deadline
	}
	r.suspend()
}

// routines returns the routines of all processes.
func (w *world) routines() []*routine {
	var all []*routine
	for _, m := range w.members {
		if m.process != nil {
			all = append(all, m.process.routines...)
		}
	}
	return all
}

// feed writes up to n records to one of the topics of the input, as long as more than keep are left.
func (w *world) feed(n int, keep func(in *input) int) bool {
	var open []*input
	for i := range w.inputs {
		if in := &w.inputs[i]; len(in.records) > keep(in) {
			open = append(open, in)
		}
	}
	if len(open) == 0 {
		return false
	}
	in := open[w.random.IntN(len(open))]
	w.write(in, min(n, len(in.records)-keep(in)))
	return true
}

// write writes the next n records of an input. Old records that follow each other are written at once, and have one time.
func (w *world) write(in *input, n int) {
	var age time.Duration // of the old records that are written
	for old := false; len(in.records) > 0 && (n > 0 || old && w.isOld(&in.records[0])); n-- {
		r := in.records[0]
		in.records = in.records[1:]
		tp := broker.TopicPartition{Topic: in.topic, Partition: partitionOf(r.Key, w.partitions[in.topic])}
		record := broker.Record{Key: r.Key, Value: r.Value, Headers: r.Headers, Millis: r.Millis}
		if w.simulation.Live {
			before := old
			if old = w.isOld(&r); old && !before {
				age = w.random.upTo(3 * (w.config.engine.IdleTimeout + w.config.session))
			} else if !old {
				age = 0
			}
			record.Millis = w.clock.Now().Add(-age).UnixMilli()
		}
		if err := w.broker.Append(tp, record); err != nil {
			w.failf("input: %v", err)
		}
	}
}

// isOld reports whether a record is to be older than the clock when it is written; see Simulation.Live.
func (w *world) isOld(r *Record) bool { return w.simulation.Live && r.Millis < 0 }
