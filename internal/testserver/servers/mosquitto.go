//go:build unix

package servers

import (
	"context"
	"fmt"
	"path/filepath"
	"syscall"

	"github.com/weirstreams/weir/internal/testserver/fetch"
	"github.com/weirstreams/weir/internal/testserver/server"
)

// Mosquitto is an MQTT broker. Users are anonymous, or "weir" with the password "right".
var Mosquitto = server.Server{
	Name:  "mosquitto",
	About: "Mosquitto of Debian, an MQTT broker (apt; or mosquitto in PATH)",
	Variables: []string{
		"WEIR_TEST_MQTT: the URL of a listener for everybody",
		"WEIR_TEST_MQTT_LOGIN: the URL of a listener that asks for a password, with it",
		"WEIR_TEST_MQTT_TLS: the URL of a listener with TLS",
		"WEIR_TEST_MQTT_CA: a file with the authority of its certificate",
	},
	Sources: []fetch.Source{mosquittoPrograms},
	Start: func(ctx context.Context, i *server.Instance) error {
		program, env, err := debianProgram(ctx, i, "mosquitto", mosquittoPrograms)
		if err != nil {
			return err
		}
		tool, toolEnv, err := debianProgram(ctx, i, "mosquitto_passwd", mosquittoPrograms)
		if err != nil {
			return err
		}
		if err := writeCertificates(i.Write); err != nil {
			return err
		}
		var ports [3]int
		for n := range ports {
			if ports[n], err = i.Port(ctx); err != nil {
				return err
			}
		}
		passwords, err := i.Write("passwords", "weir:right\n")
		if err != nil {
			return err
		}
		if err := i.Run(ctx, server.Command{Name: "mosquitto_passwd", Env: toolEnv, Args: []string{tool, "-U", passwords}}); err != nil {
			return err
		}
		// The user "weir" may use all topics but those below "closed".
		rights, err := i.Write("rights", "user weir\ntopic readwrite open/#\ntopic read $SYS/#\n")
		if err != nil {
			return err
		}
		// The user of the process is kept: root could not read its files as another one.
		settings := fmt.Sprintf(`user root
per_listener_settings true
max_inflight_messages 0
max_queued_messages 1000000
max_queued_bytes 0
listener %d 127.0.0.1
allow_anonymous true
persistence false
listener %d 127.0.0.1
password_file %s
acl_file %s
listener %d 127.0.0.1
allow_anonymous true
certfile %s
keyfile %s
`, ports[0], ports[1], passwords, rights, ports[2], filepath.Join(i.Dir, "secure", "broker.keystore.pem"), filepath.Join(i.Dir, "secure", "broker.keystore.pem"))
		file, err := i.Write("mosquitto.conf", settings)
		if err != nil {
			return err
		}
		_, err = i.Start(ctx, server.Command{Name: "mosquitto", Env: env, Stop: syscall.SIGTERM, Args: []string{program, "-v", "-c", file}},
			server.Prints(" running"))
		if err != nil {
			return err
		}
		i.Export("WEIR_TEST_MQTT", "mqtt://"+server.Address(ports[0]))
		i.Export("WEIR_TEST_MQTT_LOGIN", "mqtt://weir:right@"+server.Address(ports[1]))
		i.Export("WEIR_TEST_MQTT_TLS", "mqtts://"+server.Address(ports[2]))
		i.Export("WEIR_TEST_MQTT_CA", filepath.Join(i.Dir, "secure", "ca.pem"))
		i.Say("Mosquitto ready at %s", server.Address(ports[0]))
		return nil
	},
}
