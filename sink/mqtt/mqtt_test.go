package mqtt_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	client "github.com/weirstreams/weir/internal/mqtt"
	"github.com/weirstreams/weir/internal/nettest"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/mqtt"
)

// task is a sink with the writer of a task.
type task[V any] struct {
	tb     testing.TB
	to     sink.Sink[string, V]
	writer sink.Writer[string, V]
	next   int64
}

func open[V any](tb testing.TB, o mqtt.Options[string, V]) *task[V] {
	tb.Helper()
	t := &task[V]{tb: tb, to: mqtt.New(o)}
	must(tb, t.to.Connect(tb.Context()))
	var err error
	t.writer, err = t.to.Writer(tb.Context(), sink.Task{Application: fmt.Sprint("app", time.Now().UnixNano()), SubTopology: "in", Sink: "mqtt"})
	must(tb, err)
	return t
}

func (t *task[V]) close() {
	t.tb.Helper()
	must(t.tb, t.writer.Close())
	must(t.tb, t.to.Close(context.Background()))
}

func (t *task[V]) add(key string, value V) error {
	r := weir.Record[string, V]{Key: key, Value: value, Origin: &weir.Origin{Topic: "in", Offset: t.next}}
	t.next++
	return t.writer.Add(t.tb.Context(), &r)
}

func (t *task[V]) flush() error {
	t.tb.Helper()
	return t.writer.Flush(t.tb.Context(), sink.Checkpoint{ID: 1})
}

func root() string { return fmt.Sprintf("t%d/", time.Now().UnixNano()) }

func TestMessagesHaveTheirPropertiesAndAreRetained(t *testing.T) {
	top := root()
	properties := mqtt.Properties{ContentType: "text/plain", ResponseTopic: "r", CorrelationData: []byte{0, 1}, Text: true, User: []mqtt.Property{{Name: "a", Value: "1"}, {Name: "a", Value: "2"}}}
	w := open(t, mqtt.Options[string, *string]{
		URL: secret.New(variable(t, "WEIR_TEST_MQTT")), Prefix: top, Retain: true,
		Properties: func(*weir.Record[string, *string]) (mqtt.Properties, error) { return properties, nil },
	})
	defer w.close()
	text := "on"
	must(t, w.add("kept", &text))
	must(t, w.add("gone", &text))
	must(t, w.add("gone", nil))
	must(t, w.flush())
	want := []client.Message{{Topic: top + "kept", Payload: []byte("on"), QoS: 1, Retain: true, ID: 1, Properties: properties}}
	if diff := cmp.Diff(want, newInbox(t, top+"#").all()); diff != "" {
		t.Errorf("retained messages (-want +got):\n%s", diff)
	}
}

func TestTheBrokerSendsTheWillWhenTheConnectionBreaksAndNotAfterClose(t *testing.T) {
	for _, version := range []mqtt.Version{mqtt.V5, mqtt.V311} {
		top := root()
		box := newInbox(t, top+"#")
		through := nettest.NewRelay(t, variable(t, "WEIR_TEST_MQTT"))
		o := mqtt.Options[string, string]{
			URL: secret.New("mqtt://" + through.Address()), Version: version, Prefix: top, Retry: quickly,
			Will: &mqtt.Will{Topic: top + "status", Payload: []byte("away")},
		}
		open(t, o).close()
		if got := box.all(); len(got) != 0 {
			t.Errorf("after a close: %v", got)
		}
		w := open(t, o)
		through.Refuse(true)
		got := box.all()
		if len(got) != 1 || got[0].Topic != top+"status" || string(got[0].Payload) != "away" {
			t.Errorf("after the connection has ended: %v", got)
		}
		through.Refuse(false)
		must(t, w.add("k", "v")) // the connection of the will is opened again
		must(t, w.flush())
		through.Refuse(true)
		if got := box.all(); len(got) != 2 || string(got[1].Payload) != "away" {
			t.Errorf("after the second connection has ended: %v", got)
		}
		through.Refuse(false)
		w.close()
	}
}

// TestMessagesStayInOrderWhenTheConnectionBreaks cuts connections while messages are published.
func TestMessagesStayInOrderWhenTheConnectionBreaks(t *testing.T) {
	top := root()
	box := newInbox(t, top+"#")
	through := nettest.NewRelay(t, variable(t, "WEIR_TEST_MQTT"))
	w := open(t, mqtt.Options[string, int]{URL: secret.New("mqtt://" + through.Address()), Prefix: top, Window: 200, Retry: weir.Retry{Attempts: -1, FirstWait: time.Millisecond}})
	defer w.close()
	const total = 10_000
	for i := range total {
		must(t, w.add("k", i))
	}
	done := make(chan struct{})
	var cuts sync.WaitGroup
	cuts.Go(func() {
		for range 6 {
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
				through.Refuse(true)
				through.Refuse(false)
			}
		}
	})
	err := w.flush()
	close(done)
	cuts.Wait()
	must(t, err)
	// Each message comes for the first time behind the one before it, and the last one is the last.
	first, last := 0, -1
	for _, m := range box.all() {
		if _, err := fmt.Sscan(string(m.Payload), &last); err != nil {
			t.Fatal(err)
		}
		if last > first {
			t.Fatalf("message %d has come before message %d", last, first)
		}
		if last == first {
			first++
		}
	}
	if first != total || last != total-1 {
		t.Errorf("%d of %d messages have come, and the last one is %d", first, total, last)
	}
}

func TestTopicsAndValuesAreCheckedOrSentAsTheyAre(t *testing.T) {
	top := root()
	box := newInbox(t, top+"#")
	w := open(t, mqtt.Options[string, string]{URL: secret.New(variable(t, "WEIR_TEST_MQTT")), Prefix: top})
	defer w.close()
	for _, bad := range []string{"a/#", "+", "a+b", "\x00", "\xff", strings.Repeat("x", 70_000)} {
		if err := w.add(bad, "v"); err == nil {
			t.Errorf("the topic %.20q was taken", bad)
		}
	}
	good := []string{"a b", "é/漢", "'; --", "a//b", "/", strings.Repeat("x", 1000)}
	for _, name := range good {
		must(t, w.add(name, name+"\x00\xff"))
	}
	must(t, w.flush())
	var got []string
	for _, m := range box.all() {
		if string(m.Payload) != strings.TrimPrefix(m.Topic, top)+"\x00\xff" {
			t.Errorf("topic %.20q has the payload %.20q", m.Topic, m.Payload)
		}
		got = append(got, strings.TrimPrefix(m.Topic, top))
	}
	if diff := cmp.Diff(good, got); diff != "" {
		t.Errorf("topics (-want +got):\n%s", diff)
	}
}

func TestATopicThatTheUserMayNotUseEndsTheRun(t *testing.T) {
	w := open(t, mqtt.Options[string, string]{URL: secret.New(variable(t, "WEIR_TEST_MQTT_LOGIN")), Retry: quickly})
	defer w.close()
	must(t, w.add("open/a", "v"))
	must(t, w.flush())
	must(t, w.add("closed/a", "v"))
	err := w.flush()
	if err == nil || errors.As(err, new(*weir.RetryLaterError)) || !strings.Contains(err.Error(), "not authorized") {
		t.Errorf("got %v", err)
	}
}

// fake is a broker with MQTT 5 that answers the nth message, from 1 on, with a reason code.
type fake struct {
	address string
	mu      sync.Mutex // guards seen
	seen    []string
}

const silent = 1 // no answer

func newFake(t *testing.T, code func(n int) byte) *fake {
	t.Helper()
	f := &fake{}
	f.address = nettest.Serve(t, func(c net.Conn) { f.serve(c, code) })
	return f
}

func (f *fake) serve(c net.Conn, code func(n int) byte) {
	in := bufio.NewReader(c)
	for {
		first, err := in.ReadByte()
		if err != nil {
			return
		}
		size, err := binary.ReadUvarint(in) // the same as a number of MQTT
		if err != nil {
			return
		}
		body := make([]byte, size)
		if _, err := io.ReadFull(in, body); err != nil {
			return
		}
		switch first >> 4 {
		case 1:
			c.Write([]byte{0x20, 6, 0, 0, 3, 0x21, 0, 10}) // at most 10 outstanding messages
		case 3:
			n := int(binary.BigEndian.Uint16(body))
			id := body[2+n : 4+n]
			f.mu.Lock()
			f.seen = append(f.seen, string(body[5+n:]))
			answer := code(len(f.seen))
			f.mu.Unlock()
			if answer != silent {
				c.Write([]byte{0x40, 4, id[0], id[1], answer, 0})
			}
		case 12:
			c.Write([]byte{0xd0, 0})
		case 14:
			return
		}
	}
}

func (f *fake) options() mqtt.Options[string, string] {
	return mqtt.Options[string, string]{URL: secret.New("mqtt://" + f.address), Name: "t", Timeout: 300 * time.Millisecond, Retry: quickly}
}

func TestABrokerThatAsksForTimeGetsTheMessagesLater(t *testing.T) {
	const quota = 0x97
	full := true
	f := newFake(t, func(n int) byte {
		if n > 1 && full {
			return quota
		}
		return 0
	})
	w := open(t, f.options())
	defer w.close()
	for _, v := range []string{"a", "b", "c"} {
		must(t, w.add("k", v))
	}
	if err := w.flush(); !errors.As(err, new(*weir.RetryLaterError)) {
		t.Errorf("got %v", err)
	}
	f.mu.Lock()
	full, f.seen = false, nil
	f.mu.Unlock()
	must(t, w.flush())
	if diff := cmp.Diff([]string{"b", "c"}, f.seen); diff != "" {
		t.Errorf("messages after the broker has taken the first (-want +got):\n%s", diff)
	}
}

func TestAMessageThatTheBrokerRefusesIsAnErrorOfItsRecord(t *testing.T) {
	const badPayload = 0x99
	f := newFake(t, func(n int) byte {
		if n == 2 {
			return badPayload
		}
		return 0
	})
	w := open(t, f.options())
	defer w.close()
	for _, v := range []string{"a", "b", "c"} {
		must(t, w.add("k", v))
	}
	refused, ok := errors.AsType[sink.RecordErrors](w.flush())
	if !ok || len(refused) != 1 || refused[0].Origin.Offset != 1 {
		t.Errorf("got %v", refused)
	}
	must(t, w.flush())
}

func TestABrokerThatDoesNotAnswerIsNotWaitedForWithoutEnd(t *testing.T) {
	f := newFake(t, func(int) byte { return silent })
	w := open(t, f.options())
	defer w.close()
	for i := range 50 {
		must(t, w.add("k", fmt.Sprint(i)))
	}
	if err := w.flush(); !errors.As(err, new(*weir.RetryLaterError)) {
		t.Errorf("got %v", err)
	}
	f.mu.Lock()
	if n := len(f.seen); n > 2*10 {
		t.Errorf("%d messages were sent in two attempts, and the broker wants 10 at a time", n)
	}
	f.mu.Unlock()
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errGivenUp)
	defer cancel()
	if err := w.writer.Flush(ctx, sink.Checkpoint{ID: 2}); !errors.Is(err, errGivenUp) {
		t.Errorf("got %v", err)
	}
}

var errGivenUp = errors.New("the partitions are given up")

func TestConnectSaysWhatIsWrong(t *testing.T) {
	login, secure := variable(t, "WEIR_TEST_MQTT_LOGIN"), variable(t, "WEIR_TEST_MQTT_TLS")
	ca := x509.NewCertPool()
	pem, err := os.ReadFile(variable(t, "WEIR_TEST_MQTT_CA"))
	must(t, err)
	ca.AppendCertsFromPEM(pem)
	type options = mqtt.Options[string, string]
	for name, c := range map[string]struct {
		options
		want string // "" is success
	}{
		"a user":                       {options{URL: secret.New(login)}, ""},
		"no URL":                       {options{}, "URL is empty"},
		"a malformed URL":              {options{URL: secret.New("mqtt://user:" + password + "@host:port")}, "URL is malformed"},
		"a path":                       {options{URL: secret.New("mqtt://host/" + password)}, "a path or parameters"},
		"two topics":                   {options{URL: secret.New(login), Name: "a", Prefix: "b"}, "only one of Prefix, Name and Topic"},
		"a wildcard":                   {options{URL: secret.New(login), Name: "a/#"}, "wildcard"},
		"properties with 3.1.1":        {options{URL: secret.New(login), Version: mqtt.V311, Properties: func(*weir.Record[string, string]) (p mqtt.Properties, err error) { return p, err }}, "need V5"},
		"a will without a topic":       {options{URL: secret.New(login), Will: &mqtt.Will{}}, "Will: a topic has no name"},
		"a wrong password":             {options{URL: secret.New(strings.Replace(login, "right", "wr0ng", 1))}, "ot authorized"},
		"nobody there":                 {options{URL: secret.New("mqtt://user:" + password + "@127.0.0.1:1"), Retry: quickly}, "connection refused"},
		"TLS, of an unknown authority": {options{URL: secret.New(secure), Retry: quickly}, "certificate"},
		"TLS":                          {options{URL: secret.New(secure), TLS: &tls.Config{RootCAs: ca}}, ""},
		"TLS, of another name":         {options{URL: secret.New(secure), TLS: &tls.Config{RootCAs: ca, ServerName: "other"}, Retry: quickly}, "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			to := mqtt.New(c.options)
			err := to.Connect(t.Context())
			if err == nil {
				must(t, to.Close(context.Background()))
			}
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want %q", err, c.want)
			}
			if err != nil && (strings.Contains(err.Error(), password) || strings.Contains(err.Error(), "wr0ng")) {
				t.Errorf("the error has the password: %v", err)
			}
		})
	}
}
