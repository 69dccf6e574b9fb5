package pubsub_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	client "cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/api/option"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/benchtest"
	"github.com/weirstreams/weir/internal/nettest"
	"github.com/weirstreams/weir/internal/pubsub/pubsubtest"
	"github.com/weirstreams/weir/internal/secrettest"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/pubsub"
)

// again waits for the time of a weir.RetryLaterError.
func again(ctx context.Context, err error) bool {
	later, ok := errors.AsType[*weir.RetryLaterError](err)
	if !ok {
		return false
	}
	select {
	case <-time.After(later.Wait()):
		return true
	case <-ctx.Done():
		return false
	}
}

func TestAMessageIsARecordWithItsOrderingKeyAsTheKey(t *testing.T) {
	t.Parallel()
	s := pubsubtest.New(t)
	s.Subscription(t, "orders")
	type order struct {
		Amount int `json:"amount"`
	}
	s.Fake.PublishOrdered(s.Topic(t, "orders"), []byte(`{"amount":1}`), map[string]string{"b": "2", "a": "é", "customer": "ann"}, "7")
	s.Fake.PublishOrdered(s.Topic(t, "orders"), nil, map[string]string{"a": ""}, "")
	got, _ := read(t, open(t, s.Project, pubsub.Options[int, order]{Subscription: "orders", Headers: true}), 2)
	for i := range got {
		if age := time.Since(got[i].Time()); age < -time.Minute || age > time.Minute {
			t.Errorf("the time is %v", got[i].Time())
		}
		got[i].Millis = 0
	}
	if got[0].KeyNull { // messages without one ordering key have no order
		got[0], got[1] = got[1], got[0]
	}
	want := []weir.Record[int, order]{
		{Key: 7, Value: order{1}, Headers: []weir.Header{{Key: "a", Value: []byte("é")}, {Key: "b", Value: []byte("2")}, {Key: "customer", Value: []byte("ann")}}},
		{KeyNull: true, ValueNull: true, Headers: []weir.Header{{Key: "a", Value: []byte{}}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

func TestMessagesThatAreNoRecordsEndTheRunOrAreSkipped(t *testing.T) {
	t.Parallel()
	s := pubsubtest.New(t)
	s.Subscription(t, "numbers")
	for _, text := range []string{"1", "x", "3"} {
		s.Fake.PublishOrdered(s.Topic(t, "numbers"), []byte(text), map[string]string{"customer": "ann"}, "k")
	}
	o := pubsub.Options[string, int]{Subscription: "numbers", KeyAttribute: "customer", SkipInvalid: true}
	r := open(t, s.Project, o)
	got, position := read(t, r, 2)
	if got[0].Key != "ann" || got[0].Value != 1 || got[1].Value != 3 {
		t.Errorf("got %v", got)
	}
	must(t, r.Acknowledge(t.Context(), position))
	if n := s.Acknowledged("numbers"); n != 3 {
		t.Errorf("%d messages are acknowledged, and one was skipped", n)
	}
	s.Subscription(t, "others")
	s.Fake.Publish(s.Topic(t, "others"), []byte("x"), nil)
	o.Subscription, o.SkipInvalid = "others", false
	r = open(t, s.Project, o)
	for {
		err := r.Read(t.Context(), &source.Batch[string, int]{})
		if err == nil {
			continue
		}
		if !strings.Contains(err.Error(), "subscription others") || !strings.Contains(err.Error(), "Options.SkipInvalid") {
			t.Errorf("got %v", err)
		}
		break
	}
}

// A reader takes no more than its window, and goes on when something is acknowledged.
func TestTheWindowBoundsMessagesUntilTheyAreAcknowledged(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]pubsub.Options[string, string]{
		"messages": {Window: 10}, "bytes": {WindowBytes: 1000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := pubsubtest.New(t)
			s.Subscription(t, "orders")
			for i := range 40 {
				s.Fake.PublishOrdered(s.Topic(t, "orders"), []byte(fmt.Sprintf("%02d%98s", i, "")), nil, "k")
			}
			o.Subscription = "orders"
			r := open(t, s.Project, o)
			var all []string
			for len(all) < 40 {
				var position []byte
				open := 0
				for idle := false; !idle; {
					var batch source.Batch[string, string]
					must(t, r.Read(t.Context(), &batch))
					for _, record := range batch.Records {
						all = append(all, record.Value[:2])
					}
					open += len(batch.Records)
					if idle = len(batch.Records) == 0; !idle {
						position = batch.Position
					}
				}
				// Bytes count when messages come: those that wait in the stream may be over the bound.
				if name == "messages" && open != 10 || open == 0 {
					t.Fatalf("%d messages came at once", open)
				}
				must(t, r.Acknowledge(t.Context(), position))
			}
			for i, text := range all {
				if text != fmt.Sprintf("%02d", i) {
					t.Fatalf("message %d is %s", i, text)
				}
			}
		})
	}
}

func TestAnOutageHoldsUpTheReaderAlone(t *testing.T) {
	t.Parallel()
	s := pubsubtest.New(t)
	s.Subscription(t, "orders")
	relay := nettest.NewRelay(t, s.Project.Endpoint)
	near := s.Project
	near.Endpoint, near.Timeout = relay.Address(), 2*time.Second
	r := open(t, near, pubsub.Options[string, string]{Subscription: "orders"})
	s.Fake.PublishOrdered(s.Topic(t, "orders"), []byte("1"), nil, "k")
	_, position := read(t, r, 1)
	relay.Refuse(true)
	if err := r.Acknowledge(t.Context(), position); err == nil || !strings.Contains(err.Error(), "acknowledge messages of Pub/Sub subscription orders") {
		t.Errorf("got %v", err)
	}
	relay.Refuse(false)
	for r.Acknowledge(t.Context(), position) != nil { // the connection is opened again in the background
		must(t, t.Context().Err())
		time.Sleep(10 * time.Millisecond)
	}
	s.Fake.PublishOrdered(s.Topic(t, "orders"), []byte("2"), nil, "k")
	got, position := read(t, r, 1)
	if got[0].Value != "2" {
		t.Errorf("got %v", got)
	}
	must(t, r.Acknowledge(t.Context(), position))
	if n := s.Acknowledged("orders"); n != 2 {
		t.Errorf("%d messages are acknowledged", n)
	}
}

func TestPositionsOfOthersAcknowledgeNothing(t *testing.T) {
	t.Parallel()
	s := pubsubtest.New(t)
	s.Subscription(t, "orders")
	s.Fake.PublishOrdered(s.Topic(t, "orders"), []byte("1"), nil, "k")
	r := open(t, s.Project, pubsub.Options[string, string]{Subscription: "orders"})
	read(t, r, 1)
	must(t, r.Acknowledge(t.Context(), []byte("another 1")))
	if n := s.Acknowledged("orders"); n != 0 {
		t.Errorf("%d messages are acknowledged", n)
	}
	if err := r.Acknowledge(t.Context(), []byte("x")); err == nil {
		t.Error("x is a position")
	}
}

// A subscription with exactly-once delivery refuses to acknowledge messages whose deadlines are over. They come again, and hold up nothing.
func TestMessagesWhoseDeadlinesAreOverDoNotHoldUpAcknowledgements(t *testing.T) {
	t.Parallel()
	s := pubsubtest.New(t)
	s.Subscription(t, "orders")
	refuse := func(reason string) {
		s.Fail(func(call string, request any) error {
			r, ok := request.(*pubsubpb.AcknowledgeRequest)
			if !ok {
				return nil
			}
			refused, err := status.New(codes.FailedPrecondition, "some have failed").WithDetails(&errdetails.ErrorInfo{Metadata: map[string]string{r.GetAckIds()[0]: reason}})
			must(t, err)
			return refused.Err()
		})
	}
	refuse("TRANSIENT_FAILURE_UNORDERED_ACK_ID")
	s.Fake.PublishOrdered(s.Topic(t, "orders"), []byte("1"), nil, "k")
	r := open(t, s.Project, pubsub.Options[string, string]{Subscription: "orders", Window: 1})
	_, position := read(t, r, 1)
	if err := r.Acknowledge(t.Context(), position); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("got %v", err)
	}
	s.Fail(nil)
	must(t, r.Acknowledge(t.Context(), position))
	if n := s.Acknowledged("orders"); n != 1 {
		t.Errorf("%d messages are acknowledged after a failure that passes", n)
	}
	s.Fake.PublishOrdered(s.Topic(t, "orders"), []byte("2"), nil, "k")
	_, position = read(t, r, 1)
	refuse("PERMANENT_FAILURE_INVALID_ACK_ID")
	must(t, r.Acknowledge(t.Context(), position))
}

func TestConnectSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	s := pubsubtest.New(t)
	s.Subscription(t, "orders")
	_, err := s.Fake.GServer.CreateSubscription(t.Context(), &pubsubpb.Subscription{
		Name: "projects/project/subscriptions/push", Topic: s.Topic(t, "orders"), AckDeadlineSeconds: 10, PushConfig: &pubsubpb.PushConfig{PushEndpoint: "https://example.com"},
	})
	must(t, err)
	denied := pubsubtest.New(t)
	denied.FailWith("GetSubscription", codes.PermissionDenied)
	with := func(set func(p *pubsub.Project)) pubsub.Project {
		p := s.Project
		set(&p)
		return p
	}
	type options = pubsub.Options[string, string]
	good := options{Subscription: "orders"}
	for name, c := range map[string]struct {
		project pubsub.Project
		options options
		want    string // "" is success
	}{
		"all is well":            {s.Project, good, ""},
		"nothing":                {pubsub.Project{}, options{}, "Subscription is empty"},
		"no project":             {pubsub.Project{}, good, "Project.ID"},
		"a path":                 {s.Project, options{Subscription: "projects/p/subscriptions/s"}, "without the path"},
		"a negative time":        {with(func(p *pubsub.Project) { p.Timeout = -1 }), good, "Timeout is -1ns, and must not be negative"},
		"a negative bound":       {s.Project, options{Subscription: "orders", Window: -1}, "Window is -1, and must not be negative"},
		"a short deadline":       {s.Project, options{Subscription: "orders", AckDeadline: time.Second}, "AckDeadline is 1s"},
		"no such subscription":   {s.Project, options{Subscription: "none"}, "no such topic or subscription"},
		"a subscription by push": {s.Project, options{Subscription: "push"}, "cannot be read"},
		"nobody there":           {with(func(p *pubsub.Project) { p.Endpoint = "127.0.0.1:1" }), good, "connection refused"},
		"no permission":          {denied.Project, good, "pubsub.subscriptions.get"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from := pubsub.New(c.project, c.options)
			secrettest.Hidden(t, from, "weir-pubsub-secret")
			err := from.Connect(t.Context())
			if err == nil {
				must(t, from.Close(context.Background()))
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

// BenchmarkSource compares the source with Receive of the client alone. Both acknowledge the messages. One operation reads all messages.
func BenchmarkSource(b *testing.B) {
	const total = 9000
	fill := func() *pubsubtest.Server {
		s := pubsubtest.New(b)
		s.Subscription(b, "orders")
		for range total {
			s.Fake.Publish(s.Topic(b, "orders"), []byte(strings.Repeat("x", 100)), nil)
		}
		return s
	}
	b.Run("client", func(b *testing.B) {
		for range b.N {
			b.StopTimer()
			s := fill()
			c, err := client.NewClient(b.Context(), s.Project.ID, option.WithEndpoint(s.Project.Endpoint), option.WithoutAuthentication(),
				option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
			must(b, err)
			b.StartTimer()
			ctx, cancel := context.WithCancel(b.Context())
			came := make(chan struct{}, total)
			done := make(chan error, 1)
			go func() {
				sub := c.Subscriber("orders")
				sub.ReceiveSettings.MaxOutstandingMessages = 10_000
				done <- sub.Receive(ctx, func(_ context.Context, m *client.Message) {
					came <- struct{}{}
					m.Ack()
				})
			}()
			for range total {
				<-came
			}
			b.StopTimer()
			cancel()
			must(b, <-done)
			c.Close()
			b.StartTimer()
		}
		benchtest.PerRecord(b, total)
	})
	b.Run("source", func(b *testing.B) {
		for range b.N {
			b.StopTimer()
			s := fill()
			r := open(b, s.Project, pubsub.Options[string, []byte]{Subscription: "orders"})
			b.StartTimer()
			_, position := read(b, r, total)
			must(b, r.Acknowledge(b.Context(), position))
		}
		benchtest.PerRecord(b, total)
	})
}
