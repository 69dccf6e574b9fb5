package mqtt_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	client "github.com/weirstreams/weir/internal/mqtt"
	"github.com/weirstreams/weir/internal/nettest"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/mqtt"
)

// splits opens all splits of a source.
func open[V any](t *testing.T, o mqtt.Options[string, V]) (readers []source.Reader[string, V]) {
	t.Helper()
	s := mqtt.New(o)
	must(t, s.Connect(t.Context()))
	found, err := s.Splits(t.Context(), func(string) bool { return false })
	must(t, err)
	for _, split := range found {
		r, err := s.Open(t.Context(), source.Task{Now: time.Now, Logger: slog.New(slog.DiscardHandler)}, split, nil)
		must(t, err)
		t.Cleanup(func() { must(t, r.Close()) })
		readers = append(readers, r)
	}
	return readers
}

// read reads until n records have come, and acknowledges them.
func read[V any](t *testing.T, r source.Reader[string, V], n int) (records []weir.Record[string, V]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for len(records) < n {
		batch := source.Batch[string, V]{}
		err := r.Read(ctx, &batch)
		if later, ok := errors.AsType[*weir.RetryLaterError](err); ok {
			select {
			case <-time.After(min(later.Wait(), 100*time.Millisecond)):
			case <-ctx.Done():
			}
			err = nil
		}
		if err != nil {
			t.Fatalf("%d of %d records: %v", len(records), n, err)
		}
		records = append(records, batch.Records...)
		if batch.Position != nil {
			must(t, r.Acknowledge(t.Context(), batch.Position))
		}
	}
	return records
}

func root() string { return fmt.Sprintf("t%d/", time.Now().UnixNano()) }

type state struct {
	On bool `json:"on"`
}

func TestAMessageIsARecordWithItsTopicAsTheKey(t *testing.T) {
	top := root()
	r := open(t, mqtt.Options[string, state]{
		URL: secret.New(variable(t, "WEIR_TEST_MQTT")), ClientID: top, Topics: []string{top + "a/+", top + "b/#"}, Headers: true,
	})[0]
	read(t, r, 0)
	must(t, r.Read(t.Context(), &source.Batch[string, state]{})) // it subscribes
	publish(t,
		client.Message{Topic: top + "a/1", Payload: []byte(`{"on":true}`), Properties: client.Properties{User: []client.Property{{Name: "n", Value: "v"}}}},
		client.Message{Topic: top + "a/1/2", Payload: []byte(`not for us`)},
		client.Message{Topic: top + "b/x/y", Payload: nil},
	)
	got := read(t, r, 2)
	if got[0].Millis < time.Now().Add(-time.Minute).UnixMilli() || got[0].Millis > time.Now().UnixMilli() {
		t.Errorf("the time is %d", got[0].Millis)
	}
	for i := range got {
		got[i].Millis = 0
	}
	want := []weir.Record[string, state]{
		{Key: top + "a/1", Value: state{true}, Headers: []weir.Header{{Key: mqtt.HeaderTopic, Value: []byte(top + "a/1")}, {Key: "n", Value: []byte("v")}}},
		{Key: top + "b/x/y", ValueNull: true, Headers: []weir.Header{{Key: mqtt.HeaderTopic, Value: []byte(top + "b/x/y")}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

func TestMessagesThatAreNoRecordsEndTheRunOrAreSkipped(t *testing.T) {
	for _, skip := range []bool{false, true} {
		top := root()
		o := mqtt.Options[string, state]{URL: secret.New(variable(t, "WEIR_TEST_MQTT")), ClientID: top, Topics: []string{top + "#"}, SkipInvalid: skip}
		r := open(t, o)[0]
		must(t, r.Read(t.Context(), &source.Batch[string, state]{}))
		publish(t, client.Message{Topic: top + "a", Payload: []byte(`{"on":true}`)}, client.Message{Topic: top + "bad", Payload: []byte(`{`)},
			client.Message{Topic: top + "c", Payload: []byte(`{"on":false}`)})
		if skip {
			if got := read(t, r, 2); got[1].Key != top+"c" {
				t.Errorf("got %v", got)
			}
			continue
		}
		if got := read(t, r, 1); got[0].Key != top+"a" {
			t.Errorf("got %v", got)
		}
		if err := r.Read(t.Context(), &source.Batch[string, state]{}); err == nil || !strings.Contains(err.Error(), top+"bad") {
			t.Errorf("the error is %v", err)
		}
	}
}

func TestReadersShareTheMessages(t *testing.T) {
	for _, version := range []mqtt.Version{mqtt.V5, mqtt.V311} {
		top := root()
		readers := open(t, mqtt.Options[string, string]{
			URL: secret.New(variable(t, "WEIR_TEST_MQTT")), Version: version, ClientID: top, Topics: []string{top + "#"}, Share: "g", Readers: 3,
		})
		for _, r := range readers {
			must(t, r.Read(t.Context(), &source.Batch[string, string]{}))
		}
		const total = 300
		messages := make([]client.Message, total)
		for i := range messages {
			messages[i] = client.Message{Topic: top + "m", Payload: []byte(fmt.Sprint(i))}
		}
		publish(t, messages...)
		seen := map[string]int{}
		for i, r := range readers {
			n := 0
			for idle := 0; idle < 2; {
				batch := source.Batch[string, string]{}
				must(t, r.Read(t.Context(), &batch))
				if len(batch.Records) == 0 {
					idle++
				}
				for _, record := range batch.Records {
					seen[record.Value]++
					n++
				}
			}
			if n < total/10 {
				t.Errorf("reader %d has got %d of %d messages", i, n, total)
			}
		}
		if len(seen) != total {
			t.Errorf("%d of %d messages have come", len(seen), total)
		}
	}
}

func TestAnOutageOfTheBrokerHoldsTheReaderUpAndLosesNothing(t *testing.T) {
	top := root()
	through := nettest.NewRelay(t, variable(t, "WEIR_TEST_MQTT"))
	r := open(t, mqtt.Options[string, string]{URL: secret.New("mqtt://" + through.Address()), ClientID: top, Topics: []string{top + "#"}, Timeout: 2 * time.Second})[0]
	must(t, r.Read(t.Context(), &source.Batch[string, string]{}))
	publish(t, client.Message{Topic: top + "m", Payload: []byte("0")})
	if got := read(t, r, 1); got[0].Value != "0" {
		t.Errorf("got %v", got)
	}
	through.Refuse(true)
	publish(t, client.Message{Topic: top + "m", Payload: []byte("1")})
	for range 3 {
		err := r.Read(t.Context(), &source.Batch[string, string]{})
		if err != nil && !errors.As(err, new(*weir.RetryLaterError)) {
			t.Fatal(err)
		}
	}
	through.Refuse(false)
	publish(t, client.Message{Topic: top + "m", Payload: []byte("2")})
	var got []string
	for _, record := range read(t, r, 2) {
		if record.Value != "0" { // its acknowledgement may be lost
			got = append(got, record.Value)
		}
	}
	if len(got) < 2 {
		got = append(got, read(t, r, 1)[0].Value)
	}
	if diff := cmp.Diff([]string{"1", "2"}, got); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}

func TestConnectSaysWhatIsWrong(t *testing.T) {
	login, secure := variable(t, "WEIR_TEST_MQTT_LOGIN"), variable(t, "WEIR_TEST_MQTT_TLS")
	ca := x509.NewCertPool()
	pem, err := os.ReadFile(variable(t, "WEIR_TEST_MQTT_CA"))
	must(t, err)
	ca.AppendCertsFromPEM(pem)
	type options = mqtt.Options[string, string]
	good := options{URL: secret.New(login), ClientID: "c", Topics: []string{"open/#"}}
	with := func(set func(o *options)) options {
		o := good
		set(&o)
		return o
	}
	for name, c := range map[string]struct {
		options
		want string // "" is success
	}{
		"everything right":          {good, ""},
		"MQTT 3.1.1":                {with(func(o *options) { o.Version = mqtt.V311 }), ""},
		"nothing":                   {options{}, "URL is empty"},
		"no client":                 {with(func(o *options) { o.ClientID = "" }), "ClientID is empty"},
		"another protocol":          {with(func(o *options) { o.URL = secret.New("http://user:" + password + "@host") }), "neither mqtt:// nor mqtts://"},
		"a malformed URL":           {with(func(o *options) { o.URL = secret.New("mqtt://user:" + password + "@host:port") }), "URL is malformed"},
		"no topics":                 {with(func(o *options) { o.Topics = nil }), "Topics is empty"},
		"a filter that is none":     {with(func(o *options) { o.Topics = []string{"a/#/b"} }), "# for the last ones"},
		"readers that do not share": {with(func(o *options) { o.Readers = 2 }), "without Share"},
		"a share with a level":      {with(func(o *options) { o.Share = "a/b" }), "without /"},
		"a wrong password":          {with(func(o *options) { o.URL = secret.New(strings.Replace(login, "right", "wr0ng", 1)) }), "ot authorized"},
		"a wrong password, 3.1.1": {with(func(o *options) {
			o.URL = secret.New(strings.Replace(login, "right", "wr0ng", 1))
			o.Version = mqtt.V311
		}), "ot authorized"},
		"nobody there":                 {with(func(o *options) { o.URL = secret.New("mqtt://user:" + password + "@127.0.0.1:1") }), "connection refused"},
		"TLS, of an unknown authority": {with(func(o *options) { o.URL = secret.New(secure) }), "certificate"},
		"TLS":                          {with(func(o *options) { o.URL, o.TLS = secret.New(secure), &tls.Config{RootCAs: ca} }), ""},
		"TLS, of another name":         {with(func(o *options) { o.URL, o.TLS = secret.New(secure), &tls.Config{RootCAs: ca, ServerName: "other"} }), "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			err := mqtt.New(c.options).Connect(t.Context())
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want %q", err, c.want)
			}
			if err != nil && (strings.Contains(err.Error(), password) || strings.Contains(err.Error(), "wr0ng")) {
				t.Errorf("the error has the password: %v", err)
			}
		})
	}
}
