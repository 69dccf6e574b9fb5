package operatortest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

var (
	levels = topic("levels")
	hour   = join.AsOf{}.Grace(time.Hour)
	near   = join.Within(time.Second, time.Second)
)

type matched = join.Matched[string]

// joinOperators are all joins of a stream. Each calls the probe with the left side, and makes "new" of what it is given.
var joinOperators = []struct {
	name    string
	node    string // begins the name of the node
	headers bool   // those of the left record are kept
	try     bool   // the function can return an error
	record  bool   // the function sees the record
	declare func(l, r textStream, p *probe) textStream
}{
	{"JoinAsOf", "joinasof join", true, false, false, func(l, r textStream, p *probe) textStream {
		return l.JoinAsOf(r, hour, func(l string, _ string) string {
			p.seeValue(l)
			return "new"
		})
	}},
	{"JoinAsOfRecord", "joinasof join", true, true, true, func(l, r textStream, p *probe) textStream {
		return l.JoinAsOfRecord(r, hour, func(ctx context.Context, l textRecord, _ matched) (string, error) {
			return "new", p.tryRecord(ctx, l)
		})
	}},
	{"LeftJoinAsOf", "joinasof join", true, false, false, func(l, r textStream, p *probe) textStream {
		return l.LeftJoinAsOf(r, hour, func(l string, _ *string) string {
			p.seeValue(l)
			return "new"
		})
	}},
	{"LeftJoinAsOfRecord", "joinasof join", true, true, true, func(l, r textStream, p *probe) textStream {
		return l.LeftJoinAsOfRecord(r, hour, func(ctx context.Context, l textRecord, _ *matched) (string, error) {
			return "new", p.tryRecord(ctx, l)
		})
	}},
	{"JoinInterval", "joininterval", false, false, false, func(l, r textStream, p *probe) textStream {
		return l.JoinInterval(r, near, func(l string, _ string) string {
			p.seeValue(l)
			return "new"
		})
	}},
	{"JoinIntervalRecord", "joininterval", false, true, true, func(l, r textStream, p *probe) textStream {
		return l.JoinIntervalRecord(r, near, func(ctx context.Context, l textRecord, _ textRecord) (string, error) {
			return "new", p.tryRecord(ctx, l)
		})
	}},
	{"LeftJoinInterval", "joininterval", false, false, false, func(l, r textStream, p *probe) textStream {
		return l.LeftJoinInterval(r, near, func(l string, _ *string) string {
			p.seeValue(l)
			return "new"
		})
	}},
	{"LeftJoinIntervalRecord", "joininterval", false, true, true, func(l, r textStream, p *probe) textStream {
		return l.LeftJoinIntervalRecord(r, near, func(ctx context.Context, l textRecord, _ *textRecord) (string, error) {
			return "new", p.tryRecord(ctx, l)
		})
	}},
	{"RightJoinInterval", "joininterval", false, false, false, func(l, r textStream, p *probe) textStream {
		return l.RightJoinInterval(r, near, func(l *string, _ string) string {
			if l == nil {
				return ""
			}
			p.seeValue(*l)
			return "new"
		})
	}},
	{"RightJoinIntervalRecord", "joininterval", false, true, true, func(l, r textStream, p *probe) textStream {
		return l.RightJoinIntervalRecord(r, near, func(ctx context.Context, l *textRecord, _ textRecord) (string, error) {
			if l == nil {
				return "", nil
			}
			return "new", p.tryRecord(ctx, *l)
		})
	}},
	{"OuterJoinInterval", "joininterval", false, false, false, func(l, r textStream, p *probe) textStream {
		return l.OuterJoinInterval(r, near, func(l *string, _ *string) string {
			if l == nil {
				return ""
			}
			p.seeValue(*l)
			return "new"
		})
	}},
	{"OuterJoinIntervalRecord", "joininterval", false, true, true, func(l, r textStream, p *probe) textStream {
		return l.OuterJoinIntervalRecord(r, near, func(ctx context.Context, l *textRecord, _ *textRecord) (string, error) {
			if l == nil {
				return "", nil
			}
			return "new", p.tryRecord(ctx, *l)
		})
	}},
	{"JoinTable", "jointable-1", true, false, false, func(l, r textStream, p *probe) textStream {
		return l.JoinTable(stream.TableOf(r, "rows"), func(l string, _ string) string {
			p.seeValue(l)
			return "new"
		})
	}},
	{"JoinTableRecord", "jointable-1", true, true, true, func(l, r textStream, p *probe) textStream {
		return l.JoinTableRecord(stream.TableOf(r, "rows"), func(ctx context.Context, l textRecord, _ string) (string, error) {
			return "new", p.tryRecord(ctx, l)
		})
	}},
	{"LeftJoinTable", "jointable-1", true, false, false, func(l, r textStream, p *probe) textStream {
		return l.LeftJoinTable(stream.TableOf(r, "rows"), func(l string, _ *string) string {
			p.seeValue(l)
			return "new"
		})
	}},
	{"LeftJoinTableRecord", "jointable-1", true, true, true, func(l, r textStream, p *probe) textStream {
		return l.LeftJoinTableRecord(stream.TableOf(r, "rows"), func(ctx context.Context, l textRecord, _ *string) (string, error) {
			return "new", p.tryRecord(ctx, l)
		})
	}},
}

func TestJoinsKeepWhatTheyDoNotChange(t *testing.T) {
	headers := []weir.Header{{Key: "a", Value: []byte("1")}, {Key: "b"}}
	for _, o := range joinOperators {
		t.Run(o.name, func(t *testing.T) {
			p := &probe{}
			topology := stream.NewTopology()
			o.declare(topology.From(in), topology.From(levels), p).To(out)
			d := testkit.New(t, topology, testkit.Config{})
			d.Input(levels).SendRecords(record{KeyNull: true, Value: "null key", Time: at(1)}, record{Key: "k", Value: "r", Time: at(2)})
			d.Input(in).SendRecords(
				record{KeyNull: true, Value: "null key", Time: at(3)},
				record{Key: "k", Value: "v", Time: at(4), Headers: headers},
				record{Key: "k", ValueNull: true, Time: at(5)},
			)
			// What was on the right alone comes without a call of the probe.
			got := d.Output(out).Read()
			if len(got) == 3 && got[0].Value == "" {
				got = got[1:]
			}
			want := []record{{Key: "k", Value: "new", Time: at(4)}, {Key: "k", Value: "new", Time: at(5)}}
			if o.headers {
				want[0].Headers = headers
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("results (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]string{"v", ""}, p.values); diff != "" {
				t.Errorf("the function saw (-want +got):\n%s", diff)
			}
			if o.record {
				want := textRecord{Key: "k", ValueNull: true, Millis: 5}
				if o.headers {
					want.Origin = &weir.Origin{Topic: "in", Offset: 2}
				}
				if diff := cmp.Diff(want, p.last); diff != "" {
					t.Errorf("record (-want +got):\n%s", diff)
				}
			}
			if n := d.Tasks()[0].NullKeys; n != 2 {
				t.Errorf("%d records with a null key were counted, want 2", n)
			}
		})
	}
}

func TestAFailureOfAJoinEndsTheApplication(t *testing.T) {
	for _, o := range joinOperators {
		for _, how := range []string{"error", "panic"} {
			p := &probe{}
			switch {
			case how == "error" && o.try:
				p.fail = errBad
			case how == "panic":
				p.panics = errBad
			default:
				continue
			}
			t.Run(fmt.Sprint(o.name, "/", how), func(t *testing.T) {
				topology := stream.NewTopology()
				o.declare(topology.From(in), topology.From(levels), p).To(out)
				d := testkit.New(t, topology, testkit.Config{})
				d.Input(levels).Send("k", "r", at(1))
				err := d.Input(in).TrySendRecords(record{Key: "k", Value: "good", Time: at(2)}, record{Key: "k", Value: "bad", Time: at(3)})
				var failed *weir.ProcessingError
				if !errors.As(err, &failed) || !errors.Is(err, errBad) {
					t.Fatalf("error %v, want a ProcessingError", err)
				}
				if want := (weir.Origin{Topic: "in", Offset: 1, Size: 3}); failed.Origin != want {
					t.Errorf("origin %+v, want %+v", failed.Origin, want)
				}
				if !strings.HasPrefix(failed.Node, o.node) || !strings.HasPrefix(failed.Site, "operatortest/operators_join_test.go:") {
					t.Errorf("node %q at %q, want %q", failed.Node, failed.Site, o.node)
				}
			})
		}
	}
}
