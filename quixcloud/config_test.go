package quixcloud_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/portaltest"
	"github.com/weirstreams/weir/internal/secrettest"
	"github.com/weirstreams/weir/quixcloud"
	"github.com/weirstreams/weir/quixcloud/portal"
	"github.com/weirstreams/weir/secret"
)

const address = "https://portal.test"

// environment sets the variables of the platform, and empties those that are not given.
func environment(t *testing.T, variables ...string) {
	t.Helper()
	for _, name := range []string{
		portal.TokenVariable, portal.URLVariable, portal.WorkspaceVariable, quixcloud.BrokerVariable, quixcloud.GroupVariable,
		quixcloud.DeploymentVariable, quixcloud.StateEnabledVariable, quixcloud.StatePathVariable, quixcloud.StateDirVariable,
	} {
		t.Setenv(name, "")
	}
	for i := 0; i < len(variables); i += 2 {
		t.Setenv(variables[i], variables[i+1])
	}
}

// acme returns a portal with two workspaces. A topic of the first has an id of its own.
func acme() *portaltest.Portal {
	connection := map[string]any{"bootstrap.servers": "kafka.test:9093", "sasl.mechanism": "PLAIN", "security.protocol": "sasl_plaintext", "sasl.username": "u", "sasl.password": "p4ssword"}
	return portaltest.New(
		&portaltest.Workspace{ID: "acme-dev", Name: "Development", Connection: connection, Topics: []portaltest.Topic{
			{ID: "acme-dev-orders", Name: "orders", Status: "Ready"}, {ID: "legacy.orders", Name: "legacy", Status: "Ready"},
		}},
		&portaltest.Workspace{ID: "acme-prod", Name: "Production", Connection: connection},
	)
}

// options are those of a program outside of the platform.
func options(p *portaltest.Portal) quixcloud.Options {
	return quixcloud.Options{
		Portal: portal.Config{URL: address, Token: secret.New(portaltest.Token), HTTPClient: p.Client()}, Workspace: "acme-dev",
		Logger: slog.New(slog.DiscardHandler),
	}
}

func TestAConfigHasConnectionGroupAndTopicsOfTheWorkspace(t *testing.T) {
	environment(t)
	p := acme()
	o := options(p)
	o.Group = "acme-dev-totals" // the prefix is not put twice
	config, err := quixcloud.Config(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if config.Group != "totals" || config.Prefix != "acme-dev-" || !config.Topics.Create || config.State.Dir != "" {
		t.Errorf("group %q, prefix %q, create %v, state %q", config.Group, config.Prefix, config.Topics.Create, config.State.Dir)
	}
	if c := config.Connection; len(c.Brokers) != 1 || c.Brokers[0] != "kafka.test:9093" || c.SASL.Username != "u" || c.SASL.Password.Reveal() != "p4ssword" {
		t.Errorf("connection %v", config.Connection)
	}
	for name, want := range map[string]string{
		"orders": "acme-dev-orders", "acme-dev-orders": "acme-dev-orders", "new": "acme-dev-new", "acme-dev-new": "acme-dev-new",
		"legacy": "legacy.orders", "legacy.orders": "legacy.orders", "changelog__totals--orders--sum": "acme-dev-changelog__totals--orders--sum",
	} {
		if got := config.Topics.Admin.TopicName(name); got != want {
			t.Errorf("topic %q is named %q, want %q", name, got, want)
		}
	}
	secrettest.Hidden(t, config.Topics.Admin, portaltest.Token)
	secrettest.Hidden(t, config.Connection.SASL, "p4ssword")
	want := []string{"GET /workspaces/acme-dev", "GET /workspaces/acme-dev/broker/librdkafka", "GET /acme-dev/topics"}
	if diff := cmp.Diff(want, p.Requests()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestOptionsWinOverTheEnvironment(t *testing.T) {
	p := acme()
	all := []string{
		portal.TokenVariable, portaltest.Token, portal.URLVariable, address, portal.WorkspaceVariable, "acme-prod", quixcloud.GroupVariable, "from-env",
	}
	for _, c := range []struct {
		name        string
		environment []string
		change      func(*quixcloud.Options)
		want        string // prefix, group, broker
	}{
		{"environment", all, func(*quixcloud.Options) {}, "acme-prod- from-env kafka.test:9093"},
		{"options", all, func(o *quixcloud.Options) { o.Workspace, o.Group = "Development", "mine" }, "acme-dev- mine kafka.test:9093"},
		{"topic", append(all, portal.WorkspaceVariable, ""), func(o *quixcloud.Options) { o.Topic = "legacy" }, "acme-dev- from-env kafka.test:9093"},
		{"default group", append(all, quixcloud.GroupVariable, ""), func(*quixcloud.Options) {}, "acme-prod- quixstreams-default kafka.test:9093"},
		{"broker of the environment", append(all, quixcloud.BrokerVariable, "a:1,b:2"), func(*quixcloud.Options) {}, " from-env a:1,b:2"},
		{"broker of the environment alone", []string{quixcloud.BrokerVariable, "a:1"}, func(*quixcloud.Options) {}, " quixstreams-default a:1"},
		{"broker", append(all, quixcloud.BrokerVariable, "a:1,b:2"), func(o *quixcloud.Options) { o.Brokers = []string{"c:3"} }, " from-env c:3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			environment(t, c.environment...)
			o := quixcloud.Options{Portal: portal.Config{HTTPClient: p.Client()}, Logger: slog.New(slog.DiscardHandler)}
			c.change(&o)
			config, err := quixcloud.Config(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if got := config.Prefix + " " + config.Group + " " + strings.Join(config.Connection.Brokers, ","); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if (config.Topics.Admin == nil) != (config.Prefix == "") {
				t.Errorf("prefix %q, admin %v", config.Prefix, config.Topics.Admin)
			}
		})
	}
}

func TestTheStateIsWhereThePlatformKeepsIt(t *testing.T) {
	deployed := []string{quixcloud.DeploymentVariable, "d"}
	path, former := []string{quixcloud.StatePathVariable, "/kept"}, []string{quixcloud.StateDirVariable, "/former"}
	join := func(lists ...[]string) (all []string) {
		for _, l := range lists {
			all = append(all, l...)
		}
		return all
	}
	here, err := filepath.Abs("state")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name        string
		environment []string
		option      string
		want, warns string
	}{
		{"elsewhere", nil, "", "", ""},
		{"an option", path, "mine", "mine", ""},
		{"on the platform", deployed, "", "/app/state", ""},
		{"the path of the platform", join(deployed, path), "", "/kept", ""},
		{"the former variable", join(deployed, former), "", "/former", "Quix__State__Dir is deprecated"},
		{"both", join(path, former), "", "/kept", "Quix__State__Dir is deprecated"},
		{"another folder on the platform", join(deployed, path), "mine", "mine", "the platform does not keep the folder of the state"},
		{"the same folder, written otherwise", join(deployed, path), "/kept/../kept/", "/kept/../kept/", ""},
		{"the same folder, relative", join(deployed, []string{quixcloud.StatePathVariable, here}), "state", "state", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			environment(t, append(c.environment, quixcloud.BrokerVariable, "a:1")...)
			var log bytes.Buffer
			config, err := quixcloud.Config(t.Context(), quixcloud.Options{StateDir: c.option, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			if err != nil || config.State.Dir != c.want {
				t.Errorf("got %q, %v, want %q", config.State.Dir, err, c.want)
			}
			if !strings.Contains(log.String(), c.warns) || c.warns == "" && log.Len() > 0 {
				t.Errorf("log %q, want %q", log.String(), c.warns)
			}
		})
	}
}

func TestMistakesAreErrorsOfConfig(t *testing.T) {
	environment(t)
	for _, c := range []struct {
		name   string
		change func(*quixcloud.Options, *portaltest.Portal)
		is     error
		want   string
	}{
		{"no token", func(o *quixcloud.Options, _ *portaltest.Portal) { o.Portal.Token = secret.String{} }, weir.ErrConfiguration, "there is no token: set Token or the environment variable Quix__Sdk__Token (or name a cluster outside of the platform: set Brokers or Quix__Broker__Address)"},
		{"no address", func(o *quixcloud.Options, _ *portaltest.Portal) { o.Portal.URL = "" }, weir.ErrConfiguration, "there is no address of the portal"},
		{"negative", func(o *quixcloud.Options, _ *portaltest.Portal) { o.TopicTimeout = -1 }, weir.ErrConfiguration, "TopicTimeout is negative"},
		{"wrong token", func(o *quixcloud.Options, _ *portaltest.Portal) { o.Portal.Token = secret.New("wr0ng-token") }, weir.ErrUnauthorized, "find the workspace: GET https://portal.test/workspaces/acme-dev: status 401"},
		{"wrong workspace", func(o *quixcloud.Options, _ *portaltest.Portal) { o.Workspace = "acme" }, portal.ErrWorkspace, `"acme" is neither the id nor the name`},
		{"several workspaces", func(o *quixcloud.Options, _ *portaltest.Portal) { o.Workspace = "" }, portal.ErrWorkspace, "set the workspace or the environment variable"},
		{"no connection", func(_ *quixcloud.Options, p *portaltest.Portal) {
			p.Fail("GET /workspaces/acme-dev/broker/librdkafka", -1, portaltest.Answer(http.StatusForbidden, ""))
		}, weir.ErrUnauthorized, `connection of workspace "acme-dev": GET`},
		{"no topics", func(_ *quixcloud.Options, p *portaltest.Portal) {
			p.Fail("GET /acme-dev/topics", -1, portaltest.Answer(http.StatusForbidden, ""))
		}, weir.ErrUnauthorized, `topics of workspace "acme-dev": GET`},
	} {
		p := acme()
		o := options(p)
		c.change(&o, p)
		config, err := quixcloud.Config(t.Context(), o)
		if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "wr0ng-token") {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
		if config.Topics.Admin != nil || config.Group != "" {
			t.Errorf("%s: got a configuration with the error", c.name)
		}
	}
}
