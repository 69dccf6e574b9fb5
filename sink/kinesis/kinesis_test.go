package kinesis_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/kinesis/kinesistest"
	"github.com/weirstreams/weir/internal/nettest"
	"github.com/weirstreams/weir/internal/secrettest"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/kinesis"
)

func TestARecordHasTheKeyAsItsPartitionKey(t *testing.T) {
	t.Parallel()
	s := kinesistest.New(t, kinesistest.Address(t, kinesistest.Kinesalite), 1)
	type click struct {
		Page string `json:"page"`
	}
	w := open(t, s, kinesis.Options[*int, *click]{NullKey: "nobody"})
	seven := 7
	must(t, w.add(&seven, &click{"/"}))
	must(t, w.add(nil, &click{"/a"}))
	must(t, w.add(&seven, nil))
	must(t, w.flush())
	must(t, w.flush()) // puts nothing again
	if diff := cmp.Diff([]string{`7: {"page":"/"}`, `nobody: {"page":"/a"}`, "7: "}, texts(t, s)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

// Partial failures keep the order of each key: with OneByOne exactly, and without it the records behind the refused one come again.
func TestRecordsThatAreRefusedInPartComeInTheOrderOfTheirKeys(t *testing.T) {
	t.Parallel()
	for name, oneByOne := range map[string]bool{"many of a key in a request": false, "one by one": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy := kinesistest.NewProxy(t, kinesistest.Address(t, kinesistest.Kinesalite))
			s := kinesistest.New(t, proxy.Address, 1)
			random := rand.New(rand.NewPCG(1, 2))
			proxy.Refuse(func(string, []byte) string {
				if random.IntN(3) == 0 {
					return []string{"ProvisionedThroughputExceededException", "InternalFailure"}[random.IntN(2)]
				}
				return ""
			})
			w := open(t, s, options{OneByOne: oneByOne, Retry: weir.Retry{Attempts: -1, FirstWait: time.Millisecond, MaxWait: time.Millisecond}})
			want := map[string][]string{}
			for i := range 200 {
				key, value := fmt.Sprint("k", i%40), fmt.Sprint(i)
				want[key] = append(want[key], value)
				must(t, w.add(key, value))
			}
			must(t, w.flush())
			got, repeated := byKey(t, s)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("records of each key, from the last time that they came (-want +got):\n%s", diff)
			}
			if oneByOne != (repeated == 0) {
				t.Errorf("%d records came again", repeated)
			}
		})
	}
}

func TestARequestThatIsRefusedIsMadeInHalves(t *testing.T) {
	t.Parallel()
	proxy := kinesistest.NewProxy(t, kinesistest.Address(t, kinesistest.Moto))
	s := kinesistest.New(t, proxy.Address, 1)
	proxy.Fail(func(call string, body []byte) string {
		if call == "PutRecords" && strings.Contains(string(body), `"poison"`) {
			return "ValidationException"
		}
		return ""
	})
	w := open(t, s, options{Retry: quickly})
	for _, key := range []string{"a", "poison", "b", "c"} {
		must(t, w.add(key, "v"))
	}
	refused, ok := errors.AsType[sink.RecordErrors](w.flush())
	if !ok || len(refused) != 1 || refused[0].Origin.Offset != 1 || !strings.Contains(refused.Error(), "refuses the record") {
		t.Errorf("got %v", refused)
	}
	must(t, w.flush())
	if diff := cmp.Diff([]string{"a: v", "b: v", "c: v"}, texts(t, s)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

func TestKeysAndSizesThatKinesisDoesNotTakeAreErrorsOfTheirRecords(t *testing.T) {
	t.Parallel()
	s := kinesistest.New(t, kinesistest.Address(t, kinesistest.Kinesalite), 1)
	w := open(t, s, options{})
	for _, c := range []struct{ key, value, want string }{
		{"", "v", "Options.NullKey"},
		{"\xff", "v", "UTF-8"},
		{strings.Repeat("é", 257), "v", "257 characters"},
		{"k", strings.Repeat("x", 1<<20), "takes at most 1048576"},
	} {
		if err := w.add(c.key, c.value); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
	of := open(t, s, options{PartitionKey: func(r *weir.Record[string, string]) (string, error) { return r.Value, nil }})
	if err := of.add("k", ""); err == nil || !strings.Contains(err.Error(), "Options.PartitionKey") {
		t.Errorf("got %v", err)
	}
	long := strings.Repeat("é", 256)
	must(t, w.add(long, `","PartitionKey":"x"}],"StreamName":"other"`))
	must(t, w.add("k\x00\n\"", strings.Repeat("\x00", 1<<20-4)))
	must(t, w.flush())
	if got := texts(t, s); len(got) != 2 || got[0] != long+`: ","PartitionKey":"x"}],"StreamName":"other"` || len(got[1]) != 1<<20+2 {
		t.Errorf("got %d records, %.100q", len(got), got)
	}
}

func TestOutagesHoldInputAndTheSinkComesBack(t *testing.T) {
	t.Parallel()
	address := kinesistest.Address(t, kinesistest.Kinesalite)
	proxy := kinesistest.NewProxy(t, address)
	s := kinesistest.New(t, proxy.Address, 1)
	relay := nettest.NewRelay(t, proxy.Address)
	near := s
	near.Endpoint, near.Timeout = "http://"+relay.Address(), 2*time.Second
	w := open(t, near, options{Retry: quickly, OutageWait: 3 * time.Second})
	want := []string{}
	for name, outage := range map[string]func(on bool){
		"no connection": func(on bool) { relay.Refuse(on) },
		"no answer":     relay.Silence,
		"throttled calls": func(on bool) {
			proxy.Fail(nil)
			if on {
				proxy.Fail(func(string, []byte) string { return "LimitExceededException" })
			}
		},
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
		want = append(want, "k: "+name)
	}
	// A request without an answer may have been taken.
	if diff := cmp.Diff(want, slices.Compact(texts(t, s))); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

func TestErrorsThatNoTimeMendsEndTheRun(t *testing.T) {
	t.Parallel()
	proxy := kinesistest.NewProxy(t, kinesistest.Address(t, kinesistest.Moto))
	s := kinesistest.New(t, proxy.Address, 1)
	for code, want := range map[string]string{
		"AccessDeniedException":     "an administrator grants the permission",
		"ExpiredTokenException":     "credentials",
		"ResourceNotFoundException": "no such stream",
		"KMSDisabledException":      "KMSDisabledException",
	} {
		proxy.Fail(func(call string, _ []byte) string { return map[string]string{"PutRecords": code}[call] })
		w := open(t, s, options{Retry: quickly})
		must(t, w.add("k", "1"))
		err := w.flush()
		if err == nil || errors.As(err, new(*weir.RetryLaterError)) || errors.As(err, new(sink.RecordErrors)) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "kinesis:PutRecords") {
			t.Errorf("%s: got %v", code, err)
		}
	}
}

func TestConnectSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	proxy := kinesistest.NewProxy(t, kinesistest.Address(t, kinesistest.Kinesalite))
	denied := kinesistest.NewProxy(t, proxy.Address)
	denied.Fail(func(string, []byte) string { return "AccessDeniedException" })
	good := kinesistest.New(t, proxy.Address, 1)
	with := func(set func(s *kinesis.Stream)) kinesis.Stream {
		s := good
		set(&s)
		return s
	}
	for name, c := range map[string]struct {
		stream  kinesis.Stream
		options options
		want    string // "" is success
	}{
		"all is well":            {good, options{}, ""},
		"nothing":                {kinesis.Stream{}, options{}, "name of the stream is missing"},
		"half of credentials":    {with(func(s *kinesis.Stream) { s.SecretKey = secret.String{} }), options{}, "belong together"},
		"a negative time":        {with(func(s *kinesis.Stream) { s.Timeout = -1 }), options{}, "Timeout is -1ns, and must not be negative"},
		"a negative bound":       {good, options{HoldBytes: -1}, "HoldBytes is -1, and must not be negative"},
		"a key that is too long": {good, options{NullKey: strings.Repeat("x", 257)}, "NullKey"},
		"no such stream":         {with(func(s *kinesis.Stream) { s.Name = "none" }), options{}, "no such stream"},
		"nobody there":           {with(func(s *kinesis.Stream) { s.Endpoint = "http://127.0.0.1:1" }), options{}, "connection refused"},
		"no permission":          {with(func(s *kinesis.Stream) { s.Endpoint = denied.Address }), options{}, "kinesis:DescribeStreamSummary"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := kinesis.New(c.stream, c.options)
			secrettest.Hidden(t, s, kinesistest.Secret)
			err := s.Connect(t.Context())
			if err == nil {
				must(t, s.Close(context.Background()))
			}
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want %q", err, c.want)
			}
			if err != nil {
				secrettest.Absent(t, "the error", err.Error(), kinesistest.Secret)
			}
		})
	}
}
