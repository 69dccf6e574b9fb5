package runtime_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/secret"
)

// wanted is the configuration of both tests, over base.
func wanted() (base, want runtime.Config) {
	base = runtime.Config{Group: "base", Workers: 3, IdleTimeout: time.Hour}
	want = base
	want.Group, want.IdleTimeout, want.Guarantee = "shop", 0, runtime.ExactlyOnce
	want.Connection = kafka.Connection{
		Brokers: []string{"a:1", "b:2"}, SASL: kafka.SASL{Mechanism: "PLAIN", Password: secret.New("pass=word,"), OAuth: kafka.OAuth{ClientID: "me"}},
		TLS: kafka.TLS{CAPEM: secret.New("pem"), SkipVerification: true},
	}
	want.Checkpoint = runtime.CheckpointConfig{Interval: 90 * time.Second, Bytes: 1 << 40}
	want.Topics.Replication, want.Topics.OnLostInput, want.Topics.OffsetReset = 3, runtime.LostInputResets, kafka.Latest
	want.Errors = weir.ErrorPolicy{
		Action: weir.DeadLetter, Retry: &weir.Retry{Attempts: 7}, Dropped: map[weir.DropReason]weir.ErrorAction{weir.DropLate: weir.Fail, weir.DropNullKey: weir.Skip},
		DeadLetters: weir.DeadLetterOptions{MaxShare: 0.25, Config: map[string]string{"retention.ms": "1"}},
	}
	return base, want
}

// compareConfigs compares configurations, with secrets by their text.
func compareConfigs(t *testing.T, got, want runtime.Config) {
	t.Helper()
	exported := cmp.Exporter(func(of reflect.Type) bool { return of == reflect.TypeFor[runtime.Config]() })
	secrets := cmp.Comparer(func(a, b secret.String) bool { return a.Reveal() == b.Reveal() })
	if diff := cmp.Diff(want, got, exported, secrets); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestAConfigurationOfTheEnvironment(t *testing.T) {
	for name, value := range map[string]string{
		"GROUP": "shop", "IDLE_TIMEOUT": "", "GUARANTEE": "exactly_once", "CONNECTION_BROKERS": "a:1, b:2", "CONNECTION_SASL_MECHANISM": "PLAIN",
		"CONNECTION_SASL_PASSWORD": "pass=word,", "CONNECTION_SASL_OAUTH_CLIENT_ID": "me", "CONNECTION_TLS_CA_PEM": "pem",
		"CONNECTION_TLS_SKIP_VERIFICATION": "true", "CHECKPOINT_INTERVAL": "1m30s", "CHECKPOINT_BYTES": "1099511627776", "TOPICS_REPLICATION": "3",
		"TOPICS_ON_LOST_INPUT": "resets", "TOPICS_OFFSET_RESET": "latest", "ERRORS_ACTION": "dead_letter", "ERRORS_RETRY_ATTEMPTS": "7",
		"ERRORS_DROPPED": "late=fail, null key=skip", "ERRORS_DEAD_LETTERS_MAX_SHARE": "0.25", "ERRORS_DEAD_LETTERS_CONFIG": "retention.ms=1",
	} {
		t.Setenv("SHOP_"+name, value)
	}
	base, want := wanted()
	got, err := runtime.ConfigFromEnv("SHOP_", base)
	if err != nil {
		t.Fatal(err)
	}
	compareConfigs(t, got, want)

	kept := &weir.Retry{Attempts: 1}
	if _, err = runtime.ConfigFromEnv("SHOP_", runtime.Config{Errors: weir.ErrorPolicy{Retry: kept}}); err != nil || kept.Attempts != 1 {
		t.Errorf("the retries of the caller are %+v now, %v", kept, err)
	}
}

const configFile = `{
	"Group": "shop", "IdleTimeout": "", "Guarantee": "exactly_once",
	"Connection": {
		"Brokers": ["a:1", "b:2"], "SASL": {"Mechanism": "PLAIN", "Password": "pass=word,", "OAuth": {"ClientID": "me"}},
		"TLS": {"CAPEM": "pem", "SkipVerification": true}
	},
	"Checkpoint": {"Interval": "1m30s", "Bytes": 1099511627776},
	"Topics": {"Replication": 3, "OnLostInput": "resets", "OffsetReset": "latest"},
	"Errors": {
		"Action": "dead_letter", "Retry": {"Attempts": 7}, "Dropped": {"late": "fail", "null key": "skip"},
		"DeadLetters": {"MaxShare": 0.25, "Config": {"retention.ms": "1"}}
	}
}`

func TestAConfigurationOfAFile(t *testing.T) {
	t.Parallel()
	base, want := wanted()
	got, err := runtime.ConfigFromFile(written(t, configFile), base)
	if err != nil {
		t.Fatal(err)
	}
	compareConfigs(t, got, want)
}

// written returns the path of a file with some content.
func written(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "weir.json")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// All mistakes are named at once, and no value is shown: it may be a secret under a wrong name.
func TestMistakesOfAConfigurationAsTextAreNamedTogether(t *testing.T) {
	for name, value := range map[string]string{
		"PASSWORD": "hunter2", "WORKERS": "hunter2", "CHECKPOINT_INTERVAL": "hunter2", "GUARANTEE": "hunter2", "STATE_IN_MEMORY": "hunter2",
		"ERRORS_DROPPED": "hunter2", "ERRORS_DEAD_LETTERS_MAX_SHARE": "hunter2", "TOPICS_REPLICATION": "70000",
	} {
		t.Setenv("SHOP_"+name, value)
	}
	_, env := runtime.ConfigFromEnv("SHOP_", runtime.Config{})
	_, file := runtime.ConfigFromFile(written(t, `{
		"Password": "hunter2", "Workers": "hunter2", "Checkpoint": {"Interval": "hunter2", "Often": "hunter2"}, "Guarantee": ["hunter2"],
		"State": {"InMemory": null}, "Errors": {"Dropped": {"late": "hunter2"}, "Rules": []}, "group": "hunter2", "Topics": {"Replication": 70000}
	}`), runtime.Config{})
	for _, c := range []struct {
		err   error
		names []string
	}{
		{env, []string{
			"SHOP_PASSWORD", "SHOP_WORKERS", "SHOP_CHECKPOINT_INTERVAL", "SHOP_GUARANTEE", "SHOP_STATE_IN_MEMORY", "SHOP_ERRORS_DROPPED",
			"SHOP_ERRORS_DEAD_LETTERS_MAX_SHARE", "SHOP_TOPICS_REPLICATION",
		}},
		{file, []string{
			"Password", "Workers", "Checkpoint.Interval", "Checkpoint.Often", "Guarantee", "State.InMemory", "Errors.Dropped", "Errors.Rules", "group",
			"Topics.Replication",
		}},
	} {
		if !errors.Is(c.err, weir.ErrConfiguration) || strings.Contains(c.err.Error(), "hunter2") {
			t.Errorf("%v", c.err)
		}
		for _, name := range c.names {
			if !strings.Contains(c.err.Error(), name+": ") {
				t.Errorf("%s is not named: %v", name, c.err)
			}
		}
	}
	for _, content := range []string{"", "[]", "{", `{"Group":"a"} {}`, "null"} {
		if _, err := runtime.ConfigFromFile(written(t, content), runtime.Config{}); !errors.Is(err, weir.ErrConfiguration) {
			t.Errorf("%q: %v", content, err)
		}
	}
	if _, err := runtime.ConfigFromEnv("", runtime.Config{}); !errors.Is(err, weir.ErrConfiguration) {
		t.Errorf("an empty prefix: %v", err)
	}
}

// Every field of a Config can be set by a text, but for those that only a program can set.
func TestEveryFieldOfAConfigurationCanBeText(t *testing.T) {
	t.Parallel()
	variables := map[string]bool{}
	names := map[string]bool{}
	for _, v := range runtime.ConfigVariables() {
		if names[v.Name] {
			t.Errorf("two fields have the name %s", v.Name)
		}
		variables[v.Field], names[v.Name] = true, true
	}
	code := map[string]bool{
		"Accept": true, "Errors.Rules": true, "Connection.SASL.Token": true, "MeterProvider": true, "Logger": true, "Topics.Admin": true,
		"Tracing.TracerProvider": true, "Tracing.Propagator": true,
	}
	var walk func(of reflect.Type, path string)
	walk = func(of reflect.Type, path string) {
		for i := range of.NumField() {
			f := of.Field(i)
			at := strings.TrimPrefix(path+"."+f.Name, ".")
			inner := f.Type
			if inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			switch {
			case !f.IsExported() || variables[at] || code[at] || f.Type.Kind() == reflect.Func:
			case inner.Kind() == reflect.Struct && at != "Listeners":
				walk(inner, at)
			case at != "Listeners":
				t.Errorf("%s can be set neither by a variable nor by the program alone", at)
			}
		}
	}
	walk(reflect.TypeFor[runtime.Config](), "")
}
