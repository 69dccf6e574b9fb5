package redis

import (
	"context"
	_ "embed" // the script
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/sink"
)

// source is a script that runs the commands of records in order, each record as a whole, and stops at the first error of one.
//
//go:embed write.lua
var source string

var script = redis.NewScript(source)

// loadScript makes the script known to the server, or to all masters of a cluster.
func (s *server[K, V]) loadScript(ctx context.Context) error {
	cluster, ok := s.client.(*redis.ClusterClient)
	if !ok {
		return script.Load(ctx, s.client).Err()
	}
	return cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		return script.Load(ctx, node).Err()
	})
}

// run is a call of the script, for items of one slot.
type run struct {
	slot  int
	items []int
	keys  []string
	args  []any
}

// runs groups the items that are not done by slots. A server that is no cluster has one.
func (s *server[K, V]) runs(o *once, items []item) (all []*run) {
	bySlot := map[int]*run{}
	for i := range items {
		if items[i].done {
			continue
		}
		slot := 0
		if s.options.Cluster {
			slot = slotOf(items[i].key)
		}
		r := bySlot[slot]
		if r == nil {
			r = &run{slot: slot}
			bySlot[slot] = r
			all = append(all, r)
		}
		r.items = append(r.items, i)
	}
	for _, r := range all {
		r.arguments(o, s.options.OnceFor.Milliseconds(), items)
	}
	return all
}

// arguments makes keys and arguments of a run; write.lua has their order.
func (r *run) arguments(o *once, ttl int64, items []item) {
	if o != nil {
		r.keys = o.markers(r.slot)
		r.args = append(r.args, len(o.checkpoint.Positions), ttl, o.checkpoint.Epoch, !o.claimed[r.slot])
		for _, p := range o.checkpoint.Positions {
			r.args = append(r.args, p.From)
		}
	} else {
		r.args = append(r.args, -1)
	}
	seen := map[string]bool{}
	for _, i := range r.items {
		it := &items[i]
		if o != nil {
			r.args = append(r.args, o.marker(it), it.origin.Offset, it.name[:])
		}
		commands := it.commands
		if len(commands) > 1 && commands[0][0] == "DEL" && commands[1][0] == "HSET" {
			probe := Command{"?HSET", commands[1][1], commands[1][2], commands[1][3]}
			commands = append([]Command{probe}, commands...)
		}
		r.args = append(r.args, len(commands))
		for _, c := range commands {
			if key := keyOf(c); key != "" && !seen[key] {
				seen[key] = true
				r.keys = append(r.keys, key)
			}
			r.args = append(r.args, len(c))
			r.args = append(r.args, c...)
		}
	}
}

var errOtherOwner = fmt.Errorf("another member has written records of this task: %w", weir.ErrFenced)

// runScript writes the items that are not done by calls of the script, one for each slot.
func (s *server[K, V]) runScript(ctx context.Context, o *once, items []item) (refused sink.RecordErrors, err error) {
	client := s.client
	loaded := false
	for {
		all := s.runs(o, items)
		if len(all) == 0 {
			return refused, nil
		}
		pipe := client.Pipeline()
		answers := make([]*redis.Cmd, len(all))
		for n, r := range all {
			answers[n] = script.EvalSha(ctx, pipe, r.keys, r.args...)
		}
		if err := s.call(ctx, func(ctx context.Context) error {
			_, err := pipe.Exec(ctx)
			return err
		}); err != nil && ctx.Err() != nil {
			return nil, err // the answers may still be written by the call
		}
		var unknown, redirected, more bool
		for n, r := range all {
			count, failure := result(answers[n])
			if count > len(r.items) {
				return refused, fmt.Errorf("the script has written %d of %d records", count, len(r.items))
			}
			for _, i := range r.items[:max(count, 0)] {
				items[i].done = true
			}
			if failure == nil {
				if o != nil {
					o.claimed[r.slot] = true
				}
				continue
			}
			switch v := judge(failure); {
			case v == unknownScript && !loaded:
				unknown = true
			case v == moved && s.following != nil && client != s.following:
				redirected = true
			case v == ofRecord && count >= 0:
				i := r.items[count]
				items[i].done = true
				refused = append(refused, sink.RecordError{Index: i, Err: fmt.Errorf("%v %q: %w", items[i].commands[0][0], items[i].key, failure)})
				more = true
			case v == moved || v == unknownScript:
				err = errStillMoving
			case err == nil || v == final:
				err = failure
			}
		}
		switch {
		case err != nil:
			return refused, err
		case len(refused) > 0 && o != nil: // records behind it are written when the policy has decided about it: it must not count as written
			return refused, nil
		case unknown:
			loaded = true
			if err := s.call(ctx, s.loadScript); err != nil {
				return refused, err
			}
		case redirected:
			client = s.following
		case !more:
			return refused, nil
		}
	}
}

// scriptError is the error of a command of a script, as text.
type scriptError string

func (e scriptError) Error() string { return string(e) }
func (scriptError) RedisError()     {}

// result returns how many records a call of the script has written, and the error of the next one. The number is -1 if the error is one of the call.
func result(answer *redis.Cmd) (count int, err error) {
	parts, err := answer.Slice()
	if err != nil {
		return -1, err
	}
	n, ok := parts[0].(int64)
	switch {
	case !ok:
		return -1, errors.New("the script has answered without a number")
	case n < 0:
		return -1, &weir.RetryLaterError{RetryAfter: busyWait, Err: errOtherOwner}
	case len(parts) == 1:
		return int(n), nil
	}
	return int(n), scriptError(fmt.Sprint(parts[1]))
}
