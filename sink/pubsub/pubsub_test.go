package pubsub_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/nettest"
	"github.com/weirstreams/weir/internal/pubsub/pubsubtest"
	"github.com/weirstreams/weir/internal/secrettest"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/pubsub"
)

func TestARecordIsAMessageWithAttributesAndAnOrderingKey(t *testing.T) {
	t.Parallel()
	s := pubsubtest.New(t)
	s.Topic(t, "orders")
	type order struct {
		Amount int `json:"amount"`
	}
	w := open(t, s.Project, pubsub.Options[*int, *order]{
		Topic: "orders", Ordered: true, KeyAttribute: "key", Headers: true,
		Attributes: func(r *weir.Record[*int, *order]) (map[string]string, error) {
			return map[string]string{"at": fmt.Sprint(r.Millis), "topic": "is no argument"}, nil
		},
	})
	seven := 7
	must(t, w.addRecord(weir.Record[*int, *order]{Key: &seven, Value: &order{1}, Headers: []weir.Header{{Key: "h", Value: []byte("v")}, {Key: "h", Value: []byte("é")}, {Key: "null"}}}))
	must(t, w.add(nil, nil))
	must(t, w.flush())
	must(t, w.flush())                    // publishes nothing again
	got := map[string]map[string]string{} // attributes by ordering key and data; messages of different keys come in any order
	for _, m := range s.Messages("orders") {
		got[m.OrderingKey+": "+string(m.Data)] = m.Attributes
	}
	want := map[string]map[string]string{
		`7: {"amount":1}`: {"key": "7", "h": "é", "null": "", "at": "1767225600000", "topic": "is no argument"},
		": ":              {"at": "1767225600001", "topic": "is no argument"},
	}
	if diff := cmp.Diff(want, got); diff != "" || len(s.Messages("orders")) != 2 {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}

// Calls fail at random. Each message is published once, as a call is taken as a whole, and those of each ordering key are in order.
func TestMessagesOfAnOrderingKeyStayInOrderWhenCallsFail(t *testing.T) {
	t.Parallel()
	s := pubsubtest.New(t)
	s.Topic(t, "orders")
	random := rand.New(rand.NewPCG(1, 2))
	s.Fail(func(call string, _ any) error {
		if call == "Publish" && random.IntN(2) == 0 {
			return status.Error([]codes.Code{codes.Unavailable, codes.ResourceExhausted, codes.Internal}[random.IntN(3)], "as the test asks for")
		}
		return nil
	})
	w := open(t, s.Project, options{Topic: "orders", Ordered: true, Calls: 3, Retry: weir.Retry{Attempts: -1, FirstWait: time.Millisecond, MaxWait: time.Millisecond}})
	want := map[string][]string{}
	for i := range 1500 {
		key, value := fmt.Sprint("k", i%40), fmt.Sprint(i)
		want[key] = append(want[key], value)
		must(t, w.add(key, value))
	}
	must(t, w.flush())
	got := map[string][]string{}
	for _, m := range s.Messages("orders") {
		got[m.OrderingKey] = append(got[m.OrderingKey], string(m.Data))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("messages of each key (-want +got):\n%s", diff)
	}
}

func TestACallThatIsRefusedIsMadeInHalves(t *testing.T) {
	t.Parallel()
	s := pubsubtest.New(t)
	s.Topic(t, "orders")
	s.Fail(func(_ string, request any) error {
		if p, ok := request.(*pubsubpb.PublishRequest); ok {
			for _, m := range p.Messages {
				if string(m.Data) == "poison" {
					return status.Error(codes.InvalidArgument, "as the test asks for")
				}
			}
		}
		return nil
	})
	w := open(t, s.Project, options{Topic: "orders", Retry: quickly})
	for _, value := range []string{"a", "poison", "b", "c"} {
		must(t, w.add("k", value))
	}
	refused, ok := errors.AsType[sink.RecordErrors](w.flush())
	if !ok || len(refused) != 1 || refused[0].Origin.Offset != 1 || !strings.Contains(refused.Error(), "refuses the message") {
		t.Errorf("got %v", refused)
	}
	must(t, w.flush())
	if diff := cmp.Diff([]string{": a", ": b", ": c"}, texts(s, "orders")); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}

func TestMessagesThatPubSubDoesNotTakeAreErrorsOfTheirRecords(t *testing.T) {
	t.Parallel()
	s := pubsubtest.New(t)
	s.Topic(t, "orders")
	w := open(t, s.Project, options{Topic: "orders", Ordered: true, Headers: true})
	header := func(key, value string) []weir.Header { return []weir.Header{{Key: key, Value: []byte(value)}} }
	var many []weir.Header
	for i := range 101 {
		many = append(many, weir.Header{Key: fmt.Sprint("h", i)})
	}
	for _, c := range []struct {
		key, value string
		headers    []weir.Header
		want       string
	}{
		{"\xff", "v", nil, "UTF-8"},
		{strings.Repeat("x", 1025), "v", nil, "ordering key has 1025 bytes"},
		{"k", "", nil, "neither data nor attributes"},
		{"k", strings.Repeat("x", maxMessage), nil, "takes at most 10,000,000"},
		{"k", "v", header("", "v"), "a name of 0 bytes"},
		{"k", "v", header(strings.Repeat("x", 257), "v"), "a name of 257 bytes"},
		{"k", "v", header("googclient", "v"), "begins with goog"},
		{"k", "v", header("h", strings.Repeat("x", 1025)), "a value of 1025 bytes"},
		{"k", "v", header("h", "\xff"), "UTF-8"},
		{"k", "v", many, "101 attributes"},
	} {
		if err := w.addRecord(weir.Record[string, string]{Key: c.key, Value: c.value, Headers: c.headers}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %.200v, want %q", err, c.want)
		}
	}
	must(t, w.add("é\x00", "\x00\xff"))
	must(t, w.flush())
	if diff := cmp.Diff([]string{"é\x00: \x00\xff"}, texts(s, "orders")); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}

func TestOutagesHoldInputAndTheSinkComesBack(t *testing.T) {
	t.Parallel()
	s := pubsubtest.New(t)
	s.Topic(t, "orders")
	relay := nettest.NewRelay(t, s.Fake.Addr)
	near := s.Project
	near.Endpoint, near.Timeout = relay.Address(), time.Second
	w := open(t, near, options{Topic: "orders", Retry: quickly, OutageWait: 3 * time.Second})
	for name, outage := range map[string]func(on bool){
		"no connection": func(on bool) { relay.Refuse(on) }, "no answer": relay.Silence,
	} {
		outage(true)
		must(t, w.add("k", name))
		if later, ok := errors.AsType[*weir.RetryLaterError](w.flush()); !ok || later.RetryAfter != 3*time.Second {
			t.Errorf("%s: got %v", name, later)
		}
		outage(false)
		for {
			err := w.flush()
			if err == nil {
				break
			}
			if !errors.As(err, new(*weir.RetryLaterError)) {
				t.Fatal(err)
			}
		}
		if got := texts(s, "orders"); len(got) == 0 || got[len(got)-1] != ": "+name {
			t.Errorf("%s: messages %q", name, got)
		}
	}
}

func TestErrorsThatNoTimeMendsEndTheRun(t *testing.T) {
	t.Parallel()
	s := pubsubtest.New(t)
	s.Topic(t, "orders")
	for code, want := range map[codes.Code]string{
		codes.PermissionDenied: "an administrator grants the permission", codes.Unauthenticated: "credentials", codes.NotFound: "no such topic", codes.FailedPrecondition: "FailedPrecondition",
	} {
		w := open(t, s.Project, options{Topic: "orders", Retry: quickly})
		s.FailWith("Publish", code)
		must(t, w.add("k", "1"))
		err := w.flush()
		if err == nil || errors.As(err, new(*weir.RetryLaterError)) || errors.As(err, new(sink.RecordErrors)) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "pubsub.topics.publish") {
			t.Errorf("%v: got %v", code, err)
		}
		s.Fail(nil)
	}
}

func TestConnectSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	s := pubsubtest.New(t)
	s.Topic(t, "orders")
	denied := pubsubtest.New(t)
	denied.FailWith("GetTopic", codes.PermissionDenied)
	with := func(set func(p *pubsub.Project)) pubsub.Project {
		p := s.Project
		set(&p)
		return p
	}
	good := options{Topic: "orders"}
	for name, c := range map[string]struct {
		project pubsub.Project
		options options
		want    string // "" is success
	}{
		"all is well":             {s.Project, good, ""},
		"nothing":                 {pubsub.Project{}, options{}, "Topic is empty"},
		"no project":              {pubsub.Project{}, good, "Project.ID"},
		"a path":                  {s.Project, options{Topic: "projects/p/topics/t"}, "without the path"},
		"a negative time":         {with(func(p *pubsub.Project) { p.Timeout = -1 }), good, "Timeout is -1ns, and must not be negative"},
		"a negative bound":        {s.Project, options{Topic: "orders", Calls: -1}, "Calls is -1, and must not be negative"},
		"a name of the service":   {s.Project, options{Topic: "orders", KeyAttribute: "goog"}, "KeyAttribute"},
		"no such topic":           {s.Project, options{Topic: "none"}, "no such topic"},
		"nobody there":            {with(func(p *pubsub.Project) { p.Endpoint = "127.0.0.1:1" }), good, "connection refused"},
		"no permission":           {denied.Project, good, "pubsub.topics.get"},
		"a key that is malformed": {with(func(p *pubsub.Project) { p.Endpoint = "" }), good, "credentials"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to := pubsub.New(c.project, c.options)
			secrettest.Hidden(t, to, "weir-pubsub-secret")
			err := to.Connect(t.Context())
			if err == nil {
				must(t, to.Close(context.Background()))
			}
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want %q", err, c.want)
			}
			if err != nil {
				secrettest.Absent(t, "the error", err.Error(), "weir-pubsub-secret")
			}
		})
	}
}
