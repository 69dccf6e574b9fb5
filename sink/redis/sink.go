package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/sink"
)

// New returns a sink that writes the records of a checkpoint before the checkpoint. Delivery is at least once; the package documentation says which
// records show it. Connect reports mistakes in the options.
func New[K, V any](o Options[K, V]) sink.Sink[K, V] {
	s := &server[K, V]{}
	s.wrong = o.check()
	if s.wrong == nil {
		s.address, s.wrong = parse(o.URL.Reveal(), o.Cluster)
	}
	s.options = o
	s.encoder = newEncoder(&s.options)
	return s
}

// server is a sink. Its methods may be called by several goroutines at once.
type server[K, V any] struct {
	options Options[K, V]
	wrong   error // with the options
	address address
	encoder *encoder[K, V]

	client redis.UniversalClient // between Connect and Close
	// following is nil unless the server is a cluster. It follows redirections, which client does not: see resend.
	following redis.UniversalClient
	calls     sync.WaitGroup // that were left behind when their context ended
}

// address is where a server is, without secrets.
type address struct {
	host     string // and port
	hostname string
	database int
	tls      bool
	login    func() (user, password string) // hides them from packages that print by reflection
}

func (a address) String() string {
	if a.database == 0 {
		return a.host
	}
	return fmt.Sprintf("%s, database %d", a.host, a.database)
}

const defaultPort = "6379"

// parse parses the URL of a server. Its errors have no part of the URL that may be a secret.
func parse(text string, cluster bool) (a address, err error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "":
		return a, errors.New("URL is malformed: it is something like redis://user:password@host:6379/0")
	case u.Scheme != "redis" && u.Scheme != "rediss":
		return a, errors.New("URL begins with neither redis:// nor rediss://")
	case u.RawQuery != "" || u.Fragment != "":
		return a, errors.New("URL has parameters, which are fields of Options here")
	}
	a = address{hostname: u.Hostname(), tls: u.Scheme == "rediss"}
	port := u.Port()
	if port == "" {
		port = defaultPort
	}
	a.host = net.JoinHostPort(a.hostname, port)
	if path := strings.Trim(u.Path, "/"); path != "" {
		if a.database, err = strconv.Atoi(path); err != nil || a.database < 0 {
			return a, errors.New("the path of URL is not the number of a database")
		}
	}
	if cluster && a.database != 0 {
		return a, errors.New("URL names a database, and a cluster has only database 0")
	}
	password, _ := u.User.Password()
	user := u.User.Username()
	a.login = func() (string, string) { return user, password }
	return a, nil
}

// Connect implements [sink.Sink]: it makes sure that the server answers, is the right kind of server, and lets the user write.
func (s *server[K, V]) Connect(ctx context.Context) error {
	if s.wrong != nil {
		return fmt.Errorf("Redis sink: %w: %w", weir.ErrConfiguration, s.wrong)
	}
	s.client = s.open(-1)
	if s.options.Cluster {
		s.following = s.open(clusterRedirects)
	}
	retry := s.options.Retry
	retry.If = passes
	err := retry.Do(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
		defer cancel()
		return s.probe(ctx)
	})
	if err != nil {
		err = errors.Join(explain(err), s.Close(ctx))
		s.client, s.following = nil, nil
		return fmt.Errorf("connect to Redis at %s: %w", s.address, err)
	}
	return nil
}

// clusterRedirects is how many redirections of a cluster are followed for one command.
const clusterRedirects = 8

// open makes a client, which opens no connection yet.
func (s *server[K, V]) open(redirects int) redis.UniversalClient {
	o := &s.options
	var secure *tls.Config
	if s.address.tls {
		secure = &tls.Config{MinVersion: tls.VersionTLS12}
		if o.TLS != nil {
			secure = o.TLS.Clone()
		}
		if secure.ServerName == "" && !o.Cluster { // the client takes the name of each node of a cluster
			secure.ServerName = s.address.hostname
		}
	}
	user, password := s.address.login()
	const protocol = 2 // the answers are the same, and each server knows it
	quiet := &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	if o.Cluster {
		return redis.NewClusterClient(&redis.ClusterOptions{
			Addrs: append([]string{s.address.host}, o.Addresses...), Username: user, Password: password, TLSConfig: secure, Protocol: protocol,
			MaxRedirects: redirects, MaxRetries: -1, DialerRetries: 1, DialTimeout: o.Timeout, ReadTimeout: o.Timeout, WriteTimeout: o.Timeout, PoolTimeout: o.Timeout,
			ContextTimeoutEnabled: true, PoolSize: o.Connections, DisableIdentity: true, MaintNotificationsConfig: quiet,
		})
	}
	return redis.NewClient(&redis.Options{
		Addr: s.address.host, Username: user, Password: password, DB: s.address.database, TLSConfig: secure, Protocol: protocol,
		MaxRetries: -1, DialerRetries: 1, DialTimeout: o.Timeout, ReadTimeout: o.Timeout, WriteTimeout: o.Timeout, PoolTimeout: o.Timeout,
		ContextTimeoutEnabled: true, PoolSize: o.Connections, DisableIdentity: true, MaintNotificationsConfig: quiet,
	})
}

// probe asks the server everything that can be known before the first record.
func (s *server[K, V]) probe(ctx context.Context) error {
	if err := s.client.Ping(ctx).Err(); err != nil {
		return err
	}
	info, err := s.client.Info(ctx).Result()
	if err == nil { // a user may lack INFO
		lines := strings.Split(strings.ReplaceAll(info, "\r", ""), "\n")
		switch {
		case !s.options.Cluster && slices.Contains(lines, "role:slave"):
			return fmt.Errorf("%w: the server is a replica, which takes no writes: name its master", weir.ErrConfiguration)
		case !s.options.Cluster && slices.Contains(lines, "cluster_enabled:1"):
			return fmt.Errorf("%w: the server is a node of a cluster: set Options.Cluster", weir.ErrConfiguration)
		}
	}
	if s.options.Once {
		if err := s.loadScript(ctx); err != nil {
			return fmt.Errorf("Options.Once needs SCRIPT LOAD and EVALSHA: %w", err)
		}
	}
	return s.probeRights(ctx)
}

// verbs are the commands of kinds.
var verbs = map[Kind][]string{
	String: {"SET", "DEL"}, Hash: {"HSET", "DEL"}, HashMerge: {"HSET", "HDEL", "DEL"}, Set: {"SADD"}, Stream: {"XADD"}, Publish: {"PUBLISH"},
}

// probeRights asks a server, from version 7 on, whether the user may run the commands of the kind on names like those of the records.
func (s *server[K, V]) probeRights(ctx context.Context) error {
	o := &s.options
	if o.Commands != nil || o.Key != nil { // they are made of records
		return nil
	}
	name := o.Prefix + "weir"
	if o.Name != "" {
		name = o.Name
	}
	needed := slices.Clone(verbs[o.Kind])
	if (o.TTL != 0 || o.TTLOf != nil) && o.Kind != String {
		needed = append(needed, "PEXPIRE")
	}
	if s.scripted() {
		if err := s.loadScript(ctx); err != nil {
			return fmt.Errorf("records of several commands in a cluster need SCRIPT LOAD and EVALSHA: %w", err)
		}
	}
	var missing []string
	for _, verb := range needed {
		const ask = `if not redis.acl_check_cmd then return 1 end
if ARGV[1] == 'SET' or ARGV[1] == 'PEXPIRE' then return redis.acl_check_cmd(ARGV[1], ARGV[2], '1') and 1 or 0 end
if ARGV[1] == 'HSET' then return redis.acl_check_cmd(ARGV[1], ARGV[2], 'f', '1') and 1 or 0 end
if ARGV[1] == 'XADD' then return redis.acl_check_cmd(ARGV[1], ARGV[2], '*', 'f', '1') and 1 or 0 end
if ARGV[1] == 'DEL' then return redis.acl_check_cmd(ARGV[1], ARGV[2]) and 1 or 0 end
return redis.acl_check_cmd(ARGV[1], ARGV[2], 'f') and 1 or 0`
		may, err := s.client.Eval(ctx, ask, nil, verb, name).Int()
		switch {
		case err != nil && passes(err):
			return err
		case err != nil: // EVAL is not allowed: the first record tells
			return nil
		case may == 0:
			missing = append(missing, verb)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%w: the user may not run %s on a name like %q: an administrator grants it with ACL SETUSER",
			weir.ErrConfiguration, strings.Join(missing, ", "), name)
	}
	return nil
}

// scripted reports whether records of the kind need a script.
func (s *server[K, V]) scripted() bool {
	o := &s.options
	return o.Once || o.Cluster && (o.Kind == Publish || o.Kind == Hash || o.Kind == HashMerge || (o.TTL != 0 || o.TTLOf != nil) && o.Kind != String)
}

// explain adds the remedy to an answer of the server.
func explain(err error) error {
	answer, ok := errors.AsType[redis.Error](err)
	if !ok {
		return err
	}
	switch text := answer.Error(); {
	case strings.HasPrefix(text, "NOAUTH"), strings.HasPrefix(text, "WRONGPASS"):
		return fmt.Errorf("%w (the user and the password are those of Options.URL)", err)
	case strings.HasPrefix(text, "NOPERM"):
		return fmt.Errorf("%w (an administrator grants it with ACL SETUSER)", err)
	case strings.Contains(text, "cluster support disabled"):
		return fmt.Errorf("%w (the server is no cluster: do not set Options.Cluster)", err)
	}
	return err
}

// Writer implements [sink.Sink].
func (s *server[K, V]) Writer(_ context.Context, task sink.Task) (sink.Writer[K, V], error) {
	if s.client == nil {
		return nil, errors.New("Redis sink: Writer is called before Connect")
	}
	w := &writer[K, V]{server: s, task: task, now: time.Now}
	if task.Now != nil {
		w.now = task.Now
	}
	if s.options.Once {
		w.once = newOnce(task, s.options.OncePrefix, s.options.Cluster)
	}
	return w, nil
}

// Close implements [sink.Sink].
func (s *server[K, V]) Close(context.Context) error {
	var errs []error
	for _, client := range []redis.UniversalClient{s.client, s.following} {
		if client != nil {
			errs = append(errs, client.Close())
		}
	}
	s.calls.Wait() // they end with their connections
	return errors.Join(errs...)
}
