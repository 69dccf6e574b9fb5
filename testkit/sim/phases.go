package sim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/sink"
)

// NewTwoPhaseSink returns a sink in two phases for topologies under simulation. It fails and pushes back as that of [NewSink] does, in each of its
// calls. Its records are compared with the reference model: exactly once, each has to be visible once. describe is that of NewSink.
func NewTwoPhaseSink[K, V any](describe func(r *weir.Record[K, V]) string) sink.TwoPhase[K, V] {
	return simulatedPhases[K, V]{NewSink(describe).(simulatedSink[K, V])}
}

type simulatedPhases[K, V any] struct{ simulatedSink[K, V] }

// TwoPhaseWriter implements [sink.TwoPhase].
func (s simulatedPhases[K, V]) TwoPhaseWriter(ctx context.Context, task sink.Task) (sink.TwoPhaseWriter[K, V], error) {
	target, _ := ctx.Value(phasesTargetKey{}).(phasesTarget)
	return &phasesWriter[K, V]{
		simulatedWriter: simulatedWriter[K, V]{describe: s.describe, place: sinkPlace{sink: task.Sink, partition: task.Partition}}, target: target,
	}, nil
}

// phasesTarget is the outside world, or the model of it.
type phasesTarget interface {
	recoverWork(at sinkPlace, epoch string, tokens [][]byte) error
	prepareWork(at sinkPlace, c sink.Checkpoint, lines []string) (token string, err error)
	commitWork(at sinkPlace, token string) error
}

type phasesTargetKey struct{}

// phasesWriter holds lines until they are prepared.
type phasesWriter[K, V any] struct {
	simulatedWriter[K, V]
	target phasesTarget
}

func (w *phasesWriter[K, V]) Recover(_ context.Context, epoch string, tokens [][]byte) error {
	if w.target == nil {
		return nil
	}
	return w.target.recoverWork(w.place, epoch, tokens)
}

func (w *phasesWriter[K, V]) Prepare(_ context.Context, c sink.Checkpoint) ([]byte, error) {
	if w.target == nil || len(w.lines) == 0 {
		w.lines = nil
		return nil, nil
	}
	token, err := w.target.prepareWork(w.place, c, w.lines)
	if err != nil {
		return nil, err
	}
	w.lines = nil
	return []byte(token), nil
}

func (w *phasesWriter[K, V]) Commit(_ context.Context, token []byte) error {
	if w.target == nil {
		return nil
	}
	return w.target.commitWork(w.place, string(token))
}

// preparedWork is the work of a checkpoint in the outside world.
type preparedWork struct {
	at      sinkPlace
	epoch   string
	lines   []string
	visible bool
}

// sinkCall is a call of a sink in two phases: it may fail, before its effect or after it.
func (w *world) sinkCall(at sinkPlace, name string, effect func()) error {
	r := w.current
	p := r.process
	if p.dead {
		return errCrash
	}
	w.count("sink", name+at.sink, false)
	f := &w.config.faults
	if !w.calm {
		w.interleave(r)
	}
	if p.dead {
		return errCrash
	}
	switch {
	case w.calm:
	case w.random.oneIn(f.crash):
		w.tracef("%s is killed in %s of sink %q", p.name, name, at.sink)
		if w.random.oneIn(2) {
			effect()
		}
		p.dead = true
		panic(errCrash)
	case w.random.oneIn(f.sinkError):
		w.tracef("%s: %s of sink %q fails", p.name, name, at.sink)
		if w.random.oneIn(2) {
			effect()
		}
		return fmt.Errorf("sink: %w", errInjected)
	case w.random.oneIn(f.sinkPressure):
		pressure := &weir.RetryLaterError{RetryAfter: w.random.upTo(w.config.session)}
		w.tracef("%s: %s of sink %q has to wait for %v", p.name, name, at.sink, pressure.RetryAfter)
		if w.random.oneIn(2) {
			effect()
		}
		return fmt.Errorf("simulated: %w", pressure)
	}
	effect()
	if !w.calm {
		w.interleave(r)
	}
	return nil
}

func (w *world) recoverWork(at sinkPlace, epoch string, tokens [][]byte) error {
	return w.sinkCall(at, "Recover", func() {
		for _, token := range slices.Sorted(maps.Keys(w.prepared)) {
			work := w.prepared[token]
			counts := slices.ContainsFunc(tokens, func(t []byte) bool { return string(t) == token })
			newer := work.epoch > epoch
			if work.at == at && !work.visible && !counts && !newer {
				w.tracef("sink %q removes %s", at.sink, token)
				delete(w.prepared, token)
			}
		}
	})
}

func (w *world) prepareWork(at sinkPlace, c sink.Checkpoint, lines []string) (token string, err error) {
	token = fmt.Sprintf("%s/%d/%s/%d", at.sink, at.partition, c.Epoch, c.ID)
	for _, p := range c.Positions {
		if p.From > p.To {
			w.failf("sink %q: checkpoint %s covers %+v", at.sink, token, p)
		}
	}
	lines = slices.Clone(lines)
	return token, w.sinkCall(at, "Prepare", func() {
		if w.prepared[token] != nil {
			w.failf("sink %q: two checkpoints are named %s", at.sink, token)
		}
		w.tracef("sink %q prepares %s", at.sink, token)
		w.prepared[token] = &preparedWork{at: at, epoch: c.Epoch, lines: lines}
	})
}

func (w *world) commitWork(at sinkPlace, token string) error {
	return w.sinkCall(at, "Commit", func() {
		work := w.prepared[token]
		switch {
		case work == nil:
			w.failf("sink %q: the work of token %s is gone", at.sink, token)
		case work.visible:
		default:
			w.tracef("sink %q shows %s", at.sink, token)
			work.visible = true
			w.sinks[at] = append(w.sinks[at], work.lines...)
		}
	})
}

func (*expectation) recoverWork(sinkPlace, string, [][]byte) error {
	return errors.New("the model recovers nothing")
}

func (e *expectation) prepareWork(at sinkPlace, _ sink.Checkpoint, lines []string) (string, error) {
	return strings.Join(lines, "\n"), nil
}

func (e *expectation) commitWork(at sinkPlace, token string) error {
	e.sinks[at] = append(e.sinks[at], strings.Split(token, "\n")...)
	return nil
}

// phasedSinks returns the names of the sinks in two phases.
func (w *world) phasedSinks() map[string]bool {
	names := map[string]bool{}
	for _, n := range w.plan.Graph.Nodes {
		if holdsTokens(n) {
			names[n.Detail] = true
		}
	}
	return names
}

// holdsTokens reports whether the store of a node is that of a sink in two phases, which the model does not know.
func holdsTokens(n *graph.Node) bool { return n.Kind == graph.KindExternal && len(n.Stores) > 0 }

// compareOnce describes the first line that is not there as often as the model has it.
func compareOnce(got, want []string) string {
	count := map[string]int{}
	for _, line := range got {
		count[line]++
	}
	for _, line := range want {
		count[line]--
	}
	for _, line := range slices.Concat(want, got) {
		if count[line] > 0 {
			return fmt.Sprintf("exactly once: line is visible %d times more than expected: %s", count[line], line)
		}
	}
	return ""
}

// checkTokens checks the changelog of a sink in two phases: each owner has a greater epoch than those before it, and no token is
// left in the end.
func (w *world) checkTokens(tp broker.TopicPartition) {
	last := ""
	tokens := map[string]string{}
	for _, r := range w.readChangelog(tp) {
		switch {
		case !r.counts, string(r.Key) == "e" && r.Value == nil: // an epoch that a restore takes back
		case string(r.Key) == "e":
			if epoch := string(r.Value); epoch < last { // the same one is repeated where a restore takes changes back
				w.failf("changelog %s: an owner has the epoch %s, and one before it %s", tp, epoch, last)
			} else {
				last = epoch
			}
		case r.Value == nil:
			delete(tokens, string(r.Key))
		default:
			tokens[string(r.Key)] = string(r.Value)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(tokens)) {
		w.failf("changelog %s: token %s is still there, and all work is done", tp, tokens[key])
	}
}
