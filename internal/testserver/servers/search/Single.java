import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import PACKAGE.common.settings.Settings;
import PACKAGE.node.InternalSettingsPreparer;
import PACKAGE.node.Node;

/** A node in this process, without the launcher and the modules of a distribution: HOME HTTP-PORT TRANSPORT-PORT. */
public class Single extends Node {
	Single(Settings settings) {
		super(InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), null, () -> "weir"), List.of(PLUGINS), false);
	}

	public static void main(String[] args) throws Exception {
		new Single(Settings.builder()
			.put("path.home", args[0]).put("http.port", args[1]).put("transport.port", args[2])
			.put("cluster.name", "weir").put("node.name", "weir").put("network.host", "127.0.0.1").put("discovery.type", "single-node")
			.put("transport.type", "netty4").put("http.type", "netty4")
			.put("cluster.routing.allocation.disk.threshold_enabled", false).put("node.store.allow_mmap", false)
			.build()).start();
		Thread.currentThread().join();
	}
}
