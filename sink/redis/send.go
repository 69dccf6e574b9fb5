package redis

import (
	"context"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/weirstreams/weir/sink"
)

// attempt writes the items that are not done, and marks those that are written or refused. An error says that some are left.
func (s *server[K, V]) attempt(ctx context.Context, o *once, items []item) (sink.RecordErrors, error) {
	if o != nil || s.options.Cluster && slices.ContainsFunc(items, func(i item) bool { return i.scripted }) {
		return s.runScript(ctx, o, items)
	}
	left := make([]int, 0, len(items))
	for i := range items {
		if !items[i].done {
			left = append(left, i)
		}
	}
	refused, redirected, err := s.pipeline(ctx, s.client, items, left)
	if err != nil || len(redirected) == 0 {
		return refused, err
	}
	for _, round := range rounds(items, redirected) {
		more, again, err := s.pipeline(ctx, s.following, items, round)
		refused = append(refused, more...)
		if err != nil {
			return refused, err
		}
		if len(again) > 0 {
			return refused, errStillMoving
		}
	}
	return refused, nil
}

// errStillMoving is an error that passes.
var errStillMoving = fmt.Errorf("slots of the cluster are being moved: %w", context.DeadlineExceeded)

// rounds cuts items so that no key is twice in a round. A client that follows redirections writes the items of a round in any order; two writes of
// one key would end with the older one.
func rounds(items []item, left []int) (all [][]int) {
	seen := map[string]bool{}
	from := 0
	for n, i := range left {
		if seen[items[i].key] {
			all = append(all, left[from:n])
			from = n
			clear(seen)
		}
		seen[items[i].key] = true
	}
	return append(all, left[from:])
}

// queued are the answers to the commands of an item in a pipeline.
type queued []*redis.Cmd

// queue adds the commands of an item to a pipeline, several as a transaction, and appends their answers.
func queue(ctx context.Context, pipe redis.Pipeliner, all queued, commands []Command) queued {
	add := func(args ...any) {
		answer := redis.NewCmd(ctx, args...)
		_ = pipe.Process(ctx, answer) // it queues the command
		all = append(all, answer)
	}
	if len(commands) == 1 {
		add(commands[0]...)
		return all
	}
	add("MULTI")
	for _, c := range commands {
		add(c...)
	}
	add("EXEC")
	return all
}

// failure returns the first error: of a command that was refused, or that has failed when the transaction ran.
func (q queued) failure() error {
	for _, answer := range q {
		err := answer.Err()
		if err == nil || err == redis.Nil { //nolint:errorlint // the client returns it as it is
			continue
		}
		return err
	}
	if len(q) == 1 {
		return nil
	}
	results, err := q[len(q)-1].Slice()
	if err != nil {
		return err
	}
	for _, r := range results {
		if err, ok := r.(error); ok && err != redis.Nil { //nolint:errorlint // as above
			return err
		}
	}
	return nil
}

// pipeline sends the items left in one round trip. After a failure later items of the same key are left too, because they have
// to be written behind it. redirected are items that lie on another node of the cluster.
func (s *server[K, V]) pipeline(ctx context.Context, client redis.UniversalClient, items []item, left []int) (refused sink.RecordErrors, redirected []int, err error) {
	pipe := client.Pipeline()
	all, ends := make(queued, 0, len(left)), make([]int, len(left))
	for n, i := range left {
		all = queue(ctx, pipe, all, items[i].commands)
		ends[n] = len(all)
	}
	if err := s.call(ctx, func(ctx context.Context) error {
		_, err := pipe.Exec(ctx)
		return err
	}); err != nil && ctx.Err() != nil {
		return nil, nil, err // the answers may still be written by the call
	}
	var failed map[string]bool
	begin := 0
	for n, i := range left {
		failure := all[begin:ends[n]].failure()
		begin = ends[n]
		if failed[items[i].key] {
			if slices.ContainsFunc(redirected, func(j int) bool { return items[j].key == items[i].key }) {
				redirected = append(redirected, i)
			}
			continue
		}
		if failure == nil {
			items[i].done = true
			continue
		}
		v := judge(failure)
		if v == ofRecord {
			items[i].done = true
			refused = append(refused, sink.RecordError{Index: i, Err: fmt.Errorf("%v %q: %w", items[i].commands[0][0], items[i].key, failure)})
			continue
		}
		if failed == nil {
			failed = map[string]bool{}
		}
		failed[items[i].key] = true
		switch {
		case v == moved:
			redirected = append(redirected, i)
		case err == nil || v == final:
			err = failure
		}
	}
	return refused, redirected, err
}

// call makes a round trip, bounded by Options.Timeout, and returns when ctx ends: the client looks at the deadline of a context alone.
func (s *server[K, V]) call(ctx context.Context, trip func(ctx context.Context) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	bounded, cancel := context.WithTimeout(ctx, s.options.Timeout)
	done := make(chan error, 1)
	s.calls.Go(func() {
		defer cancel()
		done <- trip(bounded)
	})
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
