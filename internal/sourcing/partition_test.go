package sourcing_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/sourcing"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/source"
)

// placing is a source that says that it has so many partitions, and writes to one of them, and then to those of the keys.
type placing struct {
	endless
	has, to int32
}

func (s *placing) Partitions() int32           { return s.has }
func (s *placing) Close(context.Context) error { return nil }
func (s *placing) Open(context.Context, source.Task, source.Split, []byte) (source.Reader[string, string], error) {
	return &placingReader{source: s}, nil
}

type placingReader struct {
	source *placing
	reads  int
}

func (r *placingReader) Read(ctx context.Context, into *source.Batch[string, string]) error {
	r.reads++
	switch r.reads {
	case 1:
		into.ToPartition(r.source.to)
	case 2:
	default:
		<-ctx.Done()
		return ctx.Err()
	}
	into.Records = append(into.Records, weir.Record[string, string]{Value: "v"})
	return nil
}
func (r *placingReader) Acknowledge(context.Context, []byte) error { return nil }
func (r *placingReader) Close() error                              { return nil }

// places notes the partitions that records were written to, -1 for that of the key.
type places struct {
	partitions int32
	got        []int32
}

func (p *places) Receive(*weir.Record[string, string]) error {
	p.got = append(p.got, -1)
	return nil
}

func (p *places) ReceiveIn(partition int32, _ *weir.Record[string, string]) error {
	p.got = append(p.got, partition)
	return nil
}
func (p *places) Partitions() int32 { return p.partitions }

func TestBatchesGoToTheirPartitionsOfATopicThatHasThem(t *testing.T) {
	for name, c := range map[string]struct {
		has, to, topic int32
		want           []int32
		fails          string
		warns          bool
	}{
		"as many":                      {has: 3, to: 2, topic: 3, want: []int32{2, -1}},
		"more":                         {has: 3, to: 2, topic: 4, want: []int32{2, -1}, warns: true},
		"less":                         {has: 3, to: 0, topic: 2, fails: "give the topic 3 partitions"},
		"less than a batch comes from": {has: 3, to: 3, topic: 3, fails: "give the topic 4 partitions"},
		"by key":                       {has: 0, to: -1, topic: 2, want: []int32{-1, -1}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log, out := new(logged), &places{partitions: c.topic}
				env := &operator.Env{Context: t.Context(), Logger: slog.New(slog.NewTextHandler(log, nil)), Now: time.Now}
				env.Space = func(name string) (state.Space, error) {
					return state.Space{Name: name, Backend: state.NewMemory(), Prefix: []byte{1}}, nil
				}
				slot, err := sourcing.New(env, 0, "slots", &placing{has: c.has, to: c.to}, source.Options{Name: "s", Slots: 1}, out)
				if err != nil {
					t.Fatal(err)
				}
				defer closeAll(t, env)
				for range 4 {
					if err = slot.Take(100); err != nil {
						break
					}
					synctest.Wait()
				}
				if c.fails != "" {
					if !errors.Is(err, weir.ErrTopicSettings) || !operator.IsFatal(err) || !strings.Contains(err.Error(), c.fails) {
						t.Errorf("the error is: %v", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(c.want, out.got); diff != "" {
					t.Error(diff)
				}
				if warns := log.contains("has more"); warns != c.warns {
					t.Errorf("there is a warning: %v", warns)
				}
			})
		})
	}
}
