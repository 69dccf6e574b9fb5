package engine

import (
	"slices"
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/graph"
)

// eventTime lets the event time of a task go on without records. Time comes in through the sources, and passes through the
// operators to the repartition topics that the task writes: see passTime.
type eventTime struct {
	// steps are the nodes of the task, parents first. sources are the indexes of those that read a topic.
	steps   []timeStep
	sources []int
	// promises is set if a step has an output, mixed if the task has internal and external input.
	promises, mixed bool
	// external are the input topics that are not internal, and reached is the time that they have reached: nothing older is
	// expected of them.
	external []string
	// fed says that the topology writes external input of the task by itself. That is late by as much as the tasks in front are, and no
	// watermark comes with it, so that time does not go on without records.
	fed     bool
	reached int64
	// ends is where the external input ended at a time, until all of that is processed.
	ends *inputEnds
	// news is set if tasks upstream have promised a later time since time went on last.
	news bool
	// quiet is since when no record has come. turned is when the last round ended, quietTurned when the last one without
	// records did.
	quiet, turned, quietTurned time.Time
	// current and last are the least times of the records of external input in this round and the one before.
	current, last int64
	// asked are the ends of the external input when the cluster was asked last, by topic.
	asked map[string]int64
	// paceMoved is set if tasks upstream have come further, paceStale if the own pace may be another one than was written last.
	paceMoved, paceStale bool
	// paceWritten is when the pace was written last, interval the time between.
	paceWritten time.Time
	interval    time.Duration
	timeout     time.Duration
}

// timeStep is a node on the way of event time.
type timeStep struct {
	node    *graph.Node
	parents []int // of steps
	idle    []func(reached int64) error
	silent  []func(reached int64) error
	paces   []func(pace int64) error
	// holds is empty if nothing behind the node depends on time that goes on without records.
	holds []func(reached int64) (int64, error)
	// topic is that of a source of the task, upstream the state of its writers if it is internal.
	topic    string
	upstream *upstream
	output   *promisedOutput // nil if the node writes no repartition topic that needs to know
	// used is the time of the source when time went on last, out the watermark behind the node.
	used, out int64
	// greatest are the greatest times of a record of an external source, in this round and the one before.
	greatest [2]int64
	// pace is the pace behind the node, and slack how much older
	// a record may be that keys without state begin with.
	pace, slack int64
}

// writes reports whether the topology writes a topic by itself.
func (w *Worker) writes(topic string) bool {
	return slices.ContainsFunc(w.plan.Graph.Nodes, func(n *graph.Node) bool { return n.Sink != nil && w.plan.Topic(n) == topic })
}

// inputEnds are the ends of input partitions at a time, by topic.
type inputEnds struct {
	at   time.Time
	ends map[string]int64
}

// newEventTime returns the event time of a task, or nil if nothing in the task or behind it depends on that.
func (w *Worker) newEventTime(t *task) *eventTime {
	e := &eventTime{timeout: w.config.IdleTimeout}
	index := map[*graph.Node]int{}
	needed := false
	for _, n := range t.part.Nodes {
		s := timeStep{node: n}
		for _, p := range n.Parents {
			s.parents = append(s.parents, index[p])
		}
		for _, f := range t.env.Idle {
			if f.Node == n.ID {
				s.idle = append(s.idle, f.F)
				needed = true
			}
		}
		for _, f := range t.env.Paces {
			if f.Node == n.ID && t.env.Paced(n.ID) {
				s.paces = append(s.paces, f.F)
			}
		}
		if timedBehind(w.plan.Graph, n) {
			for _, f := range t.env.Silent {
				if f.Node == n.ID {
					s.silent = append(s.silent, f.F)
				}
			}
			for _, f := range t.env.Holds {
				if f.Node == n.ID {
					s.holds = append(s.holds, f.F)
				}
			}
		}
		if n.Sink != nil {
			s.output = t.promised[w.plan.Topic(n)]
			e.promises = e.promises || s.output != nil
		}
		if topic := w.plan.Topic(n); n.Source != nil && t.inputs[topic] != nil {
			s.topic, s.upstream = topic, t.upstreams[topic]
			e.sources = append(e.sources, len(e.steps))
			if s.upstream == nil {
				e.external = append(e.external, topic)
				e.fed = e.fed || w.writes(topic)
			}
		}
		index[n] = len(e.steps)
		e.steps = append(e.steps, s)
	}
	if !needed && !e.promises {
		return nil
	}
	e.mixed = len(e.external) > 0 && len(e.external) < len(e.sources)
	e.forget()
	e.interval = e.paceInterval(w.config.IdleTimeout)
	return e
}

// forget is called when the task goes back to its last checkpoint.
func (e *eventTime) forget() {
	for i := range e.steps {
		s := &e.steps[i]
		s.used, s.out, s.pace, s.greatest = noWatermark, noWatermark, noWatermark, [2]int64{noWatermark, noWatermark}
	}
	e.paceMoved, e.paceStale = false, false
	e.reached, e.ends, e.news = noWatermark, nil, false
	e.quiet = time.Time{}
	e.current, e.last = absent, absent
}

// upstreamTasks returns how many tasks write a repartition topic: those with a partition of an input that leads to it.
func (w *Worker) upstreamTasks(sink *graph.Node) int32 {
	var n int32
	seen := map[*graph.Node]bool{}
	var visit func(*graph.Node)
	visit = func(at *graph.Node) {
		if seen[at] {
			return
		}
		seen[at] = true
		if at.Source != nil {
			n = max(n, w.topics.Partitions[w.plan.Topic(at)])
		}
		for _, p := range at.Parents {
			visit(p)
		}
	}
	visit(sink)
	return n
}

// repartitions returns the nodes that write internal topics, by topic.
func repartitions(plan *graph.Plan) map[string]*graph.Node {
	all := map[string]*graph.Node{}
	for _, n := range plan.Graph.Nodes {
		if n.Sink != nil && n.Sink.Repartition != "" {
			all[plan.Topic(n)] = n
		}
	}
	return all
}

// timedBehind reports whether an operator behind n, also behind repartition topics, acts when event time goes on without
// records.
func timedBehind(g *graph.Graph, n *graph.Node) bool {
	seen := map[*graph.Node]bool{}
	var behind func(*graph.Node) bool
	behind = func(n *graph.Node) bool {
		if seen[n] {
			return false
		}
		seen[n] = true
		for _, next := range n.Children {
			if next.Timed || behind(next) {
				return true
			}
		}
		if n.Sink == nil {
			return false
		}
		for _, reader := range g.Nodes {
			if reader.Source != nil && reader.Source.Repartition == n && behind(reader) {
				return true
			}
		}
		return false
	}
	return behind(n)
}

// keepsTime reports whether operators of a part have to know their watermarks, because something behind depends on them.
func (w *Worker) keepsTime(part *graph.SubTopology) bool {
	return w.config.IdleTimeout > 0 && slices.ContainsFunc(part.Nodes, func(n *graph.Node) bool {
		return n.Source == nil && n.Sink == nil && timedBehind(w.plan.Graph, n)
	})
}

// reachedBy returns the time that the input of a source has reached.
func (e *eventTime) reachedBy(s *timeStep) int64 {
	if s.upstream != nil {
		return s.upstream.watermark()
	}
	return e.reached
}

// passTime lets event time pass through the operators, from the sources on. Each is told the time that its input has reached,
// if no records come or for keys without records, and asked for the time that its output has reached then. Watermarks for repartition topics come
// behind the results.
func (t *task) passTime(quiet bool) error {
	e := t.time
	t.env.Quiet = quiet
	for i := range e.steps {
		s := &e.steps[i]
		reached := int64(absent)
		for _, p := range s.parents {
			reached = least(reached, e.steps[p].out)
		}
		if s.topic != "" {
			reached = e.reachedBy(s)
			s.used = reached
		}
		s.out = reached
		if reached == noWatermark || reached == absent {
			continue
		}
		told := s.silent
		if quiet {
			told = s.idle
		}
		for _, f := range told {
			if err := f(reached); err != nil {
				return err
			}
			if err := t.env.Settle(); err != nil { // before those behind are told
				return err
			}
		}
		for _, f := range s.holds {
			holds, err := f(reached)
			if err != nil {
				return err
			}
			s.out = least(s.out, holds)
		}
	}
	return nil
}

// promise writes the times that were reached to the repartition topics.
func (e *eventTime) promise() (wrote bool, err error) {
	for i := range e.steps {
		s := &e.steps[i]
		if s.output == nil || s.out == absent {
			continue
		}
		some, err := s.output.promise(s.out, s.pace)
		wrote = wrote || some
		if err != nil {
			return wrote, err
		}
	}
	return wrote, nil
}

// withdraw takes back promises if older records have come than the promises allow.
func (e *eventTime) withdraw() error {
	old := false
	for _, i := range e.sources {
		s := &e.steps[i]
		reached := e.reachedBy(s)
		if s.upstream == nil {
			reached = least(reached, e.current)
		}
		if s.used != noWatermark && reached < s.used {
			old, s.used = true, noWatermark
		}
	}
	if !old {
		return nil
	}
	for i := range e.steps {
		if o := e.steps[i].output; o != nil {
			if err := o.withdraw(); err != nil {
				return err
			}
		}
	}
	return nil
}

// forgetTime is called when the task goes back to its last checkpoint.
func (t *task) forgetTime() {
	for _, u := range t.upstreams {
		u.forget()
	}
	for _, o := range t.promised {
		o.forget()
	}
	if t.time != nil {
		t.time.forget()
		t.env.LeastMillis = absent
	}
}

// externalInput returns the partitions of the input that is not internal.
func (t *task) externalInput() []broker.TopicPartition {
	tps := make([]broker.TopicPartition, len(t.time.external))
	for i, topic := range t.time.external {
		tps[i] = broker.TopicPartition{Topic: topic, Partition: t.id.Partition}
	}
	return tps
}
