package config

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker/saramabroker"
	"github.com/weirstreams/weir/internal/kafkaclient"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/secret"
)

// Config says where configurations are and how to get them. Connection.Brokers and Topic are required; the zero value of
// everything else is right for most programs.
type Config struct {
	// Connection holds the addresses of the cluster, and its TLS and SASL settings. The default is plain text, without a login.
	Connection kafka.Connection

	// Topic is the topic of events, by its full name on the cluster. It has to exist. All of its partitions are read, from the
	// beginning, without a consumer group, and nothing is committed.
	Topic string

	// Token is sent as a bearer token with requests for contents, if there is one. It goes to every URL that events name,
	// but not to another host after a redirect.
	Token secret.String

	// HTTPClient fetches contents. The default is a client of its own, which follows up to ten redirects and uses the proxy
	// that the environment names.
	HTTPClient *http.Client

	// RequestTimeout is how long a fetch may take, redirects and body included. The default is 5 s.
	RequestTimeout time.Duration

	// MaxContentBytes is the largest content that is accepted. The default is 16 MiB.
	MaxContentBytes int64

	// CacheSize and CacheBytes bound the number of cached contents and their bytes; the least recently used go first.
	// The defaults are 1000 and 256 MiB. The decoded forms of a content go with it.
	CacheSize  int
	CacheBytes int64

	// RetryBase is the pause after the first failure to fetch a content. It doubles with each failure in a row up to RetryMax.
	// The defaults are 1 s and 10 minutes.
	RetryBase, RetryMax time.Duration

	// Fallback decides about records with content that cannot be fetched.
	Fallback Fallback

	// Grace is how long, by the clock, records wait for a configuration that is missing, has no valid version, or
	// has content that cannot be fetched. The worker waits with them, and neither reads nor checkpoints meanwhile. A Grace above
	// join.LookupTimeout takes several calls of the lookup, a second apart. The time counts from the first record that misses
	// the configuration: those that come when it is over do not wait, until the configuration was there once. It counts anew
	// after a start. 0, the default, does not wait.
	Grace time.Duration

	// BrokerTimeout is how long the topic may be out of reach before lookups, or Open, fail. The default is 2 minutes; a
	// negative value lets them use the last known versions for ever.
	BrokerTimeout time.Duration

	// OnProgress is told how far Open has come: at most once per second, and when it is done. Open's goroutine calls it.
	OnProgress func(Progress)

	// Logger is where the log goes. The default is slog.Default.
	Logger *slog.Logger

	// For tests.
	now     func() time.Time
	tune    saramabroker.Tune // applies Connection; set by withDefaults
	refresh time.Duration     // how often the topic is looked at
}

// Fallback decides about records with content that cannot be fetched.
type Fallback int8

const (
	// FallbackError makes it an error, which goes to the error policy of the application.
	FallbackError Fallback = iota
	// FallbackDefault takes the defaults, as if there were no configuration.
	FallbackDefault
)

// Progress says how far Open has come.
type Progress struct {
	// Partitions is how many the topic has, Done how many of them were read to the end.
	Partitions, Done int
	// Records is how many were read, Left how many offsets are left.
	Records, Left int64
}

// ConfigFromEnvironment returns a Config from the environment that Quix sets: Token from Quix__Sdk__Token, RetryBase and
// RetryMax from ENRICH_VERSION_RETRY_BASE_DELAY and ENRICH_VERSION_RETRY_MAX_DELAY, in seconds, and the name of the replica
// in Connection.ClientID from Quix__Deployment__ReplicaName. Connection.Brokers and Topic are left to the caller.
// The error is a weir.ErrConfiguration.
func ConfigFromEnvironment() (Config, error) {
	c := Config{Token: secret.New(os.Getenv("Quix__Sdk__Token"))}
	if replica := os.Getenv("Quix__Deployment__ReplicaName"); replica != "" {
		c.Connection.ClientID = clientID + "-" + replica[strings.LastIndexByte(replica, '-')+1:]
	}
	for name, to := range map[string]*time.Duration{
		"ENRICH_VERSION_RETRY_BASE_DELAY": &c.RetryBase, "ENRICH_VERSION_RETRY_MAX_DELAY": &c.RetryMax,
	} {
		text := os.Getenv(name)
		if text == "" {
			continue
		}
		seconds, err := strconv.ParseInt(text, 10, 32)
		if err != nil || seconds <= 0 {
			return c, fmt.Errorf("%w: environment: %s is %q: want a number of seconds", weir.ErrConfiguration, name, text)
		}
		*to = time.Duration(seconds) * time.Second
	}
	return c, nil
}

// clientID is the default of Connection.ClientID.
const clientID = "quixconfig"

// withDefaults returns the configuration with all defaults filled in, or everything that is wrong with it.
func (c Config) withDefaults() (Config, error) {
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	saramabroker.CheckBrokers("Connection.Brokers", c.Connection.Brokers, problem)
	if c.Topic == "" {
		problem("Topic is empty")
	}
	for _, field := range []struct {
		name  string
		value int64
	}{
		{"RequestTimeout", int64(c.RequestTimeout)},
		{"MaxContentBytes", c.MaxContentBytes},
		{"CacheSize", int64(c.CacheSize)},
		{"CacheBytes", c.CacheBytes},
		{"RetryBase", int64(c.RetryBase)},
		{"RetryMax", int64(c.RetryMax)},
		{"Grace", int64(c.Grace)},
	} {
		if field.value < 0 {
			problem("%s is negative", field.name)
		}
	}
	if c.Fallback < FallbackError || c.Fallback > FallbackDefault {
		problem("Fallback: unknown value %d", c.Fallback)
	}
	c.Connection.ClientID = cmp.Or(c.Connection.ClientID, clientID)
	var err error
	if c.tune, err = kafkaclient.Tune(c.Connection); err != nil {
		problems = append(problems, err)
	}
	if len(problems) > 0 {
		return c, fmt.Errorf("%w: %w", weir.ErrConfiguration, errors.Join(problems...))
	}
	c.RequestTimeout = cmp.Or(c.RequestTimeout, 5*time.Second)
	c.MaxContentBytes = cmp.Or(c.MaxContentBytes, 16<<20)
	c.CacheSize = cmp.Or(c.CacheSize, 1000)
	c.CacheBytes = cmp.Or(c.CacheBytes, 256<<20)
	c.RetryBase = cmp.Or(c.RetryBase, time.Second)
	c.RetryMax = max(cmp.Or(c.RetryMax, 10*time.Minute), c.RetryBase)
	c.BrokerTimeout = cmp.Or(c.BrokerTimeout, 2*time.Minute)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	c.refresh = cmp.Or(c.refresh, 30*time.Second)
	if c.now == nil {
		c.now = time.Now
	}
	return c, nil
}
