package nats_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/nettest"
	"github.com/weirstreams/weir/internal/secrettest"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/nats"
)

func TestARecordIsAMessageUnderTheNameOfItsKey(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	stream := p.stream(t, "measured", nil)
	type measured struct {
		Celsius float64 `json:"celsius"`
	}
	w := open(t, nats.Options[string, *measured]{URL: secret.New(p.url), Prefix: stream + ".", Headers: true})
	must(t, w.addRecord(weir.Record[string, *measured]{Key: "a", Value: &measured{1.5}, Headers: []weir.Header{{Key: "h", Value: []byte("v")}, {Key: "h", Value: []byte("é")}}}))
	must(t, w.add("b.c", &measured{}))
	must(t, w.addRecord(weir.Record[string, *measured]{Key: "a", ValueNull: true}))
	must(t, w.flush())
	if diff := cmp.Diff([]string{`a: {"celsius":1.5}`, `b.c: {"celsius":0}`, "a: "}, p.texts(t, stream)); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"v", "é"}, p.read(t, stream)[0].Headers()["h"]); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
}

func TestMessagesWithIDsAreThereOnce(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	stream := p.stream(t, "once", nil)
	o := to(p, stream)
	o.ID = nats.OffsetID[string, string]
	for range 2 { // the second time after a crash
		w := open(t, o)
		for _, text := range []string{"1", "2", "3"} {
			must(t, w.add("k", text))
		}
		must(t, w.flush())
	}
	if diff := cmp.Diff([]string{"k: 1", "k: 2", "k: 3"}, p.texts(t, stream)); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}

func TestNamesAndValuesAreNeverReadAsCommands(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	stream := p.stream(t, "evil", nil)
	free := to(p, stream)
	free.Prefix, free.Stream = "", ""
	free.SubjectOf = func(r *weir.Record[string, string]) (string, error) { return r.Key, nil }
	chosen := open(t, free)
	w := open(t, to(p, stream))
	for _, subject := range []string{"", "*", ">", "a.*", "a.>", "a b", "a\r\nPUB x 0", "a\tb", ".a", "a.", "a..b", "\xff", "a\x00", strings.Repeat("x", 1025)} {
		if err := w.add(subject, "v"); err == nil || !strings.Contains(err.Error(), "subject") {
			t.Errorf("the key %q: %v", subject, err)
		}
		if err := chosen.add(subject, "v"); err == nil || !strings.Contains(err.Error(), "SubjectOf") {
			t.Errorf("the subject %q: %v", subject, err)
		}
	}
	for _, subject := range []string{"$JS.API.STREAM.DELETE." + stream, "$SYS.REQ.SERVER.PING", "_INBOX.a"} {
		if err := chosen.add(subject, "v"); err == nil || !strings.Contains(err.Error(), "system") {
			t.Errorf("the subject %q: %v", subject, err)
		}
	}
	o := to(p, stream)
	o.Headers, o.ID = true, func(r *weir.Record[string, string]) (string, error) { return r.Value, nil }
	headed := open(t, o)
	for name, value := range map[string]string{"nats-rollup": "all", "Nats-Msg-Id": "x", "": "x", "a:b": "x", "a b": "x", "é": "x", "a": "b\r\nNats-Rollup: all", "b": " space"} {
		if err := headed.addRecord(weir.Record[string, string]{Key: "k", Value: "v", Headers: []weir.Header{{Key: name, Value: []byte(value)}}}); err == nil || !strings.Contains(err.Error(), "header") {
			t.Errorf("the header %q: %v", name, err)
		}
	}
	if err := headed.add("k", "id\r\nNats-Rollup: all"); err == nil || !strings.Contains(err.Error(), "line break") {
		t.Errorf("an id with a line break: %v", err)
	}
	must(t, w.add("$JS.API.STREAM.DELETE."+stream, "PUB x 1\r\n+\r\n"))
	must(t, w.add("é漢", "\x00\xff"))
	must(t, w.flush())
	want := []string{"$JS.API.STREAM.DELETE." + stream + ": PUB x 1\r\n+\r\n", "é漢: \x00\xff"}
	if diff := cmp.Diff(want, p.texts(t, stream)); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	if err := open(t, nats.Options[*string, []byte]{URL: secret.New(p.url), Prefix: stream + "."}).add(nil, nil); err == nil || !strings.Contains(err.Error(), "the key is null") {
		t.Errorf("a null key: %v", err)
	}
	if err := w.add("long", strings.Repeat("x", 1<<20+1)); err == nil || !strings.Contains(err.Error(), "takes at most") {
		t.Errorf("a message that is too long for the server: %v", err)
	}
}

func TestAnOutageHoldsInputAndTheSinkComesBack(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	stream := p.stream(t, "outage", nil)
	relay := nettest.NewRelay(t, p.url)
	o := to(p, stream)
	o.URL, o.OutageWait = secret.New("nats://"+relay.Address()), 3*time.Second
	w := open(t, o)
	must(t, w.add("k", "1"))
	must(t, w.flush())
	relay.Refuse(true)
	must(t, w.add("k", "2"))
	if later, ok := errors.AsType[*weir.RetryLaterError](w.flush()); !ok || later.RetryAfter != 3*time.Second {
		t.Errorf("got %v", later)
	}
	relay.Refuse(false)
	must(t, w.add("k", "3"))
	for {
		err := w.flush()
		if err == nil {
			break
		}
		if !errors.As(err, new(*weir.RetryLaterError)) {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"k: 1", "k: 2", "k: 3"}, p.texts(t, stream)); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}

func TestASilentServerHoldsInputAfterTheTimeout(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	stream := p.stream(t, "silent", nil)
	relay := nettest.NewRelay(t, p.url)
	o := to(p, stream)
	o.URL, o.Timeout = secret.New("nats://"+relay.Address()), 300*time.Millisecond
	w := open(t, o)
	relay.Silence(true)
	must(t, w.add("k", "1"))
	if err := w.flush(); !errors.As(err, new(*weir.RetryLaterError)) {
		t.Errorf("got %v", err)
	}
	relay.Silence(false)
}

func TestErrorsThatNoTimeMendsEndTheRun(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	stream, other := p.stream(t, "denied", nil), p.stream(t, "other", nil)
	reader := to(p, stream)
	reader.URL = secret.New(strings.Replace(p.url, "nats://", "nats://reader:right@", 1))
	elsewhere := to(p, stream)
	elsewhere.Prefix, elsewhere.SubjectOf = "", func(*weir.Record[string, string]) (string, error) { return other + ".a", nil }
	for name, c := range map[string]struct {
		options
		want string
	}{
		"no permission":  {reader, "an administrator grants it"},
		"another stream": {elsewhere, "another stream than Options.Stream"},
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t, c.options)
			must(t, w.add("k", "1"))
			err := w.flush()
			if err == nil || errors.As(err, new(*weir.RetryLaterError)) || errors.As(err, new(sink.RecordErrors)) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
	nobody := to(p, stream)
	nobody.Prefix, nobody.Stream, nobody.SubjectOf = "", "", func(*weir.Record[string, string]) (string, error) { return p.prefix + "nobody", nil }
	w := open(t, nobody)
	must(t, w.add("k", "1"))
	if err := w.flush(); !errors.As(err, new(*weir.RetryLaterError)) || !strings.Contains(err.Error(), "no stream takes the subject") {
		t.Errorf("a subject that no stream takes: %v", err)
	}
}

func TestConnectSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	stream := p.stream(t, "right", nil)
	mute := p.stream(t, "mute", func(c *jetstream.StreamConfig) { c.NoAck = true })
	secure := variable(t, "WEIR_TEST_NATS_TLS")
	trusted := x509.NewCertPool()
	pem, err := os.ReadFile(variable(t, "WEIR_TEST_NATS_CA"))
	must(t, err)
	trusted.AppendCertsFromPEM(pem)
	good := to(p, stream)
	with := func(set func(o *options)) options {
		o := good
		set(&o)
		return o
	}
	at := func(url string) options { return with(func(o *options) { o.URL = secret.New(url) }) }
	over := func(settings *tls.Config) options {
		return options{URL: secret.New(secure), TLS: settings, SubjectOf: func(*weir.Record[string, string]) (string, error) { return "a", nil }}
	}
	for name, c := range map[string]struct {
		options
		want string // "" is success
	}{
		"all is well":                  {good, ""},
		"any stream":                   {with(func(o *options) { o.Stream = "" }), ""},
		"one subject":                  {with(func(o *options) { o.Prefix, o.Subject = "", stream+".a" }), ""},
		"a password":                   {at(strings.Replace(p.url, "nats://", "nats://weir:right@", 1)), ""},
		"nothing":                      {options{}, "URL is empty"},
		"no subject":                   {with(func(o *options) { o.Prefix = "" }), "one of Prefix, Subject and SubjectOf"},
		"a prefix without a dot":       {with(func(o *options) { o.Prefix = "a" }), "does not end with a dot"},
		"a prefix of the system":       {with(func(o *options) { o.Prefix = "$JS." }), "do"},
		"a subject with a wildcard":    {with(func(o *options) { o.Prefix, o.Subject = "", "a.*" }), "a wildcard"},
		"a negative bound":             {with(func(o *options) { o.Window = -1 }), "Window is -1, and must not be negative"},
		"another protocol":             {at("http://user:" + password + "@host"), "neither nats:// nor tls://"},
		"a malformed URL":              {at("nats://user:" + password + "@host:port"), "URL is malformed"},
		"nobody there":                 {at("nats://user:" + password + "@127.0.0.1:1"), "no servers available"},
		"a wrong password":             {at(strings.Replace(p.url, "nats://", "nats://weir:"+password+"@", 1)), "are those of Options.URL"},
		"credentials that are missing": {with(func(o *options) { o.Credentials = "/nowhere/user.creds" }), "/nowhere/user.creds"},
		"no such stream":               {with(func(o *options) { o.Stream = p.prefix + "none" }), "there is no stream"},
		"a stream for other subjects":  {with(func(o *options) { o.Prefix = "elsewhere." }), "does not take the subject"},
		"no stream at all":             {with(func(o *options) { o.Prefix, o.Stream = "elsewhere.", "" }), "no stream takes the subject"},
		"a stream without answers":     {with(func(o *options) { o.Prefix, o.Stream = mute+".", mute }), "acknowledges nothing"},
		"TLS":                          {over(&tls.Config{RootCAs: trusted}), ""},
		"an unknown authority":         {over(nil), "certificate"},
		"TLS of another name":          {over(&tls.Config{RootCAs: trusted, ServerName: "other"}), "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := nats.New(c.options)
			secrettest.Hidden(t, s, password)
			err := s.Connect(t.Context())
			if err == nil {
				must(t, s.Close(context.Background()))
			}
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want %q", err, c.want)
			}
			if err != nil {
				secrettest.Absent(t, "the error", err.Error(), password)
			}
		})
	}
}
