package runtime

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/engine/pausing"
	"github.com/weirstreams/weir/internal/graph"
)

// Scope is a part of an App that can be paused. The zero value is all of it.
type Scope struct {
	// Topic is the name of an input topic, with Config.Prefix or without, or that of a source outside of Kafka. The sub-topologies that read it
	// stand still as a whole: records of their other inputs must not overtake those that wait.
	Topic string `json:"topic,omitempty"`
	// SubTopology is a stream id, as in front of the slash of TaskStatus.Name.
	SubTopology string `json:"sub_topology,omitempty"`
}

// String returns the name of the scope, or "everything".
func (s Scope) String() string {
	switch {
	case s.SubTopology != "":
		return "sub-topology " + s.SubTopology
	case s.Topic != "":
		return "topic " + s.Topic
	default:
		return "everything"
	}
}

// Pause is a pause that lasts.
type Pause struct {
	Scope
	// Since is when it began.
	Since time.Time `json:"since"`
	// Reason is that of App.Pause.
	Reason string `json:"reason,omitempty"`
}

// pauses are the pauses of an App. Any goroutine may call its methods.
type pauses struct {
	mu    sync.Mutex
	last  []Pause // in the order of their begin
	parts pausing.Switch
	// drain is when a drain has begun, zero if none has.
	drain time.Time
}

// Pause lets a part of this process stand still until Resume: its tasks process no records, sources hand on none, no timer rings, and event time
// does not go on, also not by Config.IdleTimeout, neither there nor in tasks behind. First the tasks make a checkpoint, so that no transaction
// holds anything of them. The process stays a member of the group and keeps its partitions; restores go on. Partitions that come later stand
// still too. Other processes of the group are not told.
//
// Pause returns when the tasks stand still; before Run it returns at once, and the pause holds from the begin of Run on. While a sink takes no
// more, or the group refuses offsets, that may take as long as this lasts. When ctx ends first it returns the error of ctx, and the tasks stand
// still later all the same. reason is for people: App.Status and the log show it. A pause of a scope that is paused already replaces its reason. The
// error is a weir.ErrConfiguration if the topology has no such scope. Any goroutine may call it but those that run functions of the topology.
func (a *App) Pause(ctx context.Context, scope Scope, reason string) error {
	if _, err := a.partsOf(scope); err != nil {
		return fmt.Errorf("pause: %w", err)
	}
	version := a.pauses.change(a, func(all []Pause) []Pause {
		if i := slices.IndexFunc(all, func(p Pause) bool { return p.Scope == scope }); i >= 0 {
			all[i].Reason = reason
			return all
		}
		return append(all, Pause{Scope: scope, Since: time.Now(), Reason: reason})
	})
	a.config.Logger.Info("paused", "scope", scope, "reason", reason)
	return a.awaitPause(ctx, version)
}

// Resume ends the pause of a scope, and all pauses if scope is the zero value. A part goes on when no pause is left that includes it. It does not
// wait. The error is a weir.ErrConfiguration if the topology has no such scope; a scope that is not paused is no error.
func (a *App) Resume(scope Scope) error {
	if _, err := a.partsOf(scope); err != nil {
		return fmt.Errorf("resume: %w", err)
	}
	ended := false
	a.pauses.change(a, func(all []Pause) []Pause {
		left := slices.DeleteFunc(all, func(p Pause) bool { return scope == Scope{} || p.Scope == scope })
		ended = len(left) < len(all)
		return left
	})
	if ended {
		a.config.Logger.Info("resumed", "scope", scope)
	}
	return nil
}

// change replaces the pauses, and returns the version of the parts that stand still then.
func (p *pauses) change(a *App, edit func([]Pause) []Pause) (version int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = edit(p.last)
	parts := make([]bool, len(a.plan.SubTopologies))
	for _, pause := range p.last {
		of, _ := a.partsOf(pause.Scope) // it was found before
		for _, i := range of {
			parts[i] = true
		}
	}
	if !p.drain.IsZero() {
		for i, part := range a.plan.SubTopologies {
			parts[i] = parts[i] || readsOutside(part)
		}
	}
	version = p.parts.Set(parts)
	if workers := a.workers.Load(); workers != nil {
		for _, w := range *workers {
			w.wake()
		}
	}
	return version
}

// all returns the pauses that last.
func (p *pauses) all() []Pause {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.last)
}

// awaitPause waits until all workers have acted on a version of the parts that stand still, or have ended.
func (a *App) awaitPause(ctx context.Context, version int64) error {
	workers := a.workers.Load()
	if workers == nil {
		return nil
	}
	tick := time.NewTicker(pauseCheck)
	defer tick.Stop()
	for _, w := range *workers {
		for w.engine.Figures().Pauses < version {
			select {
			case <-w.done:
				return nil
			case <-ctx.Done():
				return fmt.Errorf("pause: the tasks do not stand still yet: %w", context.Cause(ctx))
			case <-tick.C:
			}
		}
	}
	return nil
}

// pauseCheck is how often Pause looks whether the tasks stand still.
const pauseCheck = 5 * time.Millisecond

// partsOf returns the indexes of the sub-topologies that a scope includes.
func (a *App) partsOf(scope Scope) (parts []int, err error) {
	var known []string
	for i, part := range a.plan.SubTopologies {
		reads := false
		for _, n := range part.Sources {
			reads = reads || a.isTopic(n, scope.Topic)
			if scope.SubTopology == "" {
				known = append(known, a.plan.Topic(n))
			}
		}
		if scope.SubTopology != "" {
			known = append(known, part.StreamID)
		}
		if scope.SubTopology != "" && part.StreamID != scope.SubTopology || scope.Topic != "" && !reads {
			continue
		}
		parts = append(parts, i)
	}
	if len(parts) == 0 && scope != (Scope{}) {
		return nil, fmt.Errorf("%w: the topology has no input that is %s; it has %s", weir.ErrConfiguration, scope, strings.Join(known, ", "))
	}
	return parts, nil
}

// isTopic reports whether a source is meant by the name of a topic.
func (a *App) isTopic(n *graph.Node, name string) bool {
	return name != "" && (a.plan.Topic(n) == name || n.Source.Repartition == nil && n.Source.Topic == name)
}
