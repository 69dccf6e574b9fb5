// Package eventtime keeps the event time of a task: watermarks and paces of the tasks in front, their way through the operators, and
// the watermarks for the tasks behind. It decides nothing about when a round ends: the worker asks Due, and calls Advance.
package eventtime

import (
	"slices"
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/operator"
)

// Time lets the event time of a task go on without records. Time comes in through the sources, and passes through the
// operators to the repartition topics that the task writes: see passTime.
type Time struct {
	// steps are the nodes of the task, parents first. sources are the indexes of those that read a topic.
	steps   []timeStep
	sources []int
	// promises is set if a step has an output, mixed if the task has internal and external input.
	promises, mixed bool
	// external are the input topics that are not internal, and reached is the time that they have reached: nothing older is
	// expected of them.
	external []string
	// fed says that the topology writes external input of the task by itself. That is late by as much as the tasks in front are, and no
	// watermark comes with it, so that time does not go on without records, here and behind a group of them.
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

	env       *operator.Env
	task      Task
	partition int32
}

// Task is the task that event time belongs to.
type Task interface {
	// Reads reports whether a topic is an input of the task.
	Reads(topic string) bool
	// Position returns the next offset to process of an input, End its end as last seen.
	Position(topic string) int64
	End(topic string) (offset int64, known bool)
	// Call runs code of operators, which returns errors and panics. The policy for records that fail does not apply to them.
	Call(f func() error) error
	// Touch notes that the task has something to check in, TouchIfChanged that it has if operators have changed state.
	Touch()
	TouchIfChanged()
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
	upstream *Upstream
	output   *Output // nil if the node writes no repartition topic that needs to know
	// used is the time of the source when time went on last, out the watermark behind the node.
	used, out int64
	// greatest are the greatest times of a record of an external source, in this round and the one before.
	greatest [2]int64
	// pace is the pace behind the node, and slack how much older
	// a record may be that keys without state begin with.
	pace, slack int64
}

// writes reports whether the topology writes a topic by itself, other than by a source, whose records are as old as those of other writers.
func writes(plan *graph.Plan, topic string) bool {
	return slices.ContainsFunc(plan.Graph.Nodes, func(n *graph.Node) bool {
		return n.Sink != nil && plan.Topic(n) == topic && !slices.ContainsFunc(n.FedBy(), func(s *graph.Node) bool { return s.Source.Slots > 0 })
	})
}

// New returns the event time of the task of a part and a partition, or nil if nothing in the task or behind it depends on
// that. timeout is Config.IdleTimeout. upstreams are the internal inputs of the task, and promised its repartition topics, by topic.
func New(
	plan *graph.Plan, part *graph.SubTopology, partition int32, timeout time.Duration, env *operator.Env, task Task,
	upstreams map[string]*Upstream, promised map[string]*Output,
) *Time {
	e := &Time{timeout: timeout, env: env, task: task, partition: partition}
	index := map[*graph.Node]int{}
	needed := false
	for _, n := range part.Nodes {
		s := timeStep{node: n}
		for _, p := range n.Parents {
			s.parents = append(s.parents, index[p])
		}
		for _, f := range env.Idle {
			if f.Node == n.ID {
				s.idle = append(s.idle, f.F)
				needed = true
			}
		}
		for _, f := range env.Paces {
			if f.Node == n.ID && env.Paced(n.ID) {
				s.paces = append(s.paces, f.F)
			}
		}
		if TimedBehind(plan.Graph, n) {
			for _, f := range env.Silent {
				if f.Node == n.ID {
					s.silent = append(s.silent, f.F)
				}
			}
			for _, f := range env.Holds {
				if f.Node == n.ID {
					s.holds = append(s.holds, f.F)
				}
			}
		}
		if n.Sink != nil {
			s.output = promised[plan.Topic(n)]
			e.promises = e.promises || s.output != nil
		}
		if topic := plan.Topic(n); n.Source != nil && task.Reads(topic) {
			s.topic, s.upstream = topic, upstreams[topic]
			e.sources = append(e.sources, len(e.steps))
			if s.upstream == nil {
				e.external = append(e.external, topic)
				e.fed = e.fed || writes(plan, topic)
			}
		}
		index[n] = len(e.steps)
		e.steps = append(e.steps, s)
	}
	if !needed && !e.promises {
		return nil
	}
	e.mixed = len(e.external) > 0 && len(e.external) < len(e.sources)
	e.Forget()
	e.interval = e.paceInterval(timeout)
	return e
}

// inputEnds are the ends of input partitions at a time, by topic.
type inputEnds struct {
	at   time.Time
	ends map[string]int64
}

// Forget is called when the task goes back to its last checkpoint.
func (e *Time) Forget() {
	for i := range e.steps {
		s := &e.steps[i]
		s.used, s.out, s.pace, s.greatest = NoWatermark, NoWatermark, NoWatermark, [2]int64{NoWatermark, NoWatermark}
	}
	e.paceMoved, e.paceStale = false, false
	e.reached, e.ends, e.news = NoWatermark, nil, false
	e.quiet = time.Time{}
	e.current, e.last = Absent, Absent
}

// reachedBy returns the time that the input of a source has reached.
func (e *Time) reachedBy(s *timeStep) int64 {
	if s.upstream != nil {
		return s.upstream.watermark()
	}
	return e.reached
}

// passTime lets event time pass through the operators, from the sources on. Each is told the time that its input has reached,
// if no records come or for keys without records, and asked for the time that its output has reached then. Watermarks for repartition topics come
// behind the results.
func (e *Time) passTime(quiet bool) error {
	e.env.Quiet = quiet
	for i := range e.steps {
		s := &e.steps[i]
		reached := int64(Absent)
		for _, p := range s.parents {
			reached = least(reached, e.steps[p].out)
		}
		if s.topic != "" {
			reached = e.reachedBy(s)
			s.used = reached
		}
		s.out = reached
		if reached == NoWatermark || reached == Absent {
			continue
		}
		told := s.silent
		if quiet {
			told = s.idle
		}
		if err := e.tell(told, reached); err != nil {
			return err
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

// tell tells an operator a time. It hands on its held-back records before those behind are told.
func (e *Time) tell(operator []func(int64) error, at int64) error {
	for _, f := range operator {
		if err := f(at); err != nil {
			return err
		}
		if err := e.env.Settle(); err != nil {
			return err
		}
	}
	return nil
}

// promise writes the times that were reached to the repartition topics.
func (e *Time) promise() (wrote bool, err error) {
	for i := range e.steps {
		s := &e.steps[i]
		if s.output == nil || s.out == Absent {
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
func (e *Time) withdraw() error {
	old := false
	for _, i := range e.sources {
		s := &e.steps[i]
		reached := e.reachedBy(s)
		if s.upstream == nil {
			reached = least(reached, e.current)
		}
		if s.used != NoWatermark && reached < s.used {
			old, s.used = true, NoWatermark
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

// ExternalInput returns the partitions of the input that is not internal.
func (e *Time) ExternalInput() []broker.TopicPartition {
	tps := make([]broker.TopicPartition, len(e.external))
	for i, topic := range e.external {
		tps[i] = broker.TopicPartition{Topic: topic, Partition: e.partition}
	}
	return tps
}
