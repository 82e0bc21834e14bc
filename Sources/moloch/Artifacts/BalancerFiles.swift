import Configuration

/// Configurations of balancers in front of API nodes, with times that match the nodes' drain.
struct BalancerFiles {
  let settings: Settings
  /// `host:port` of the nodes.
  let servers: [String]

  /// Failed checks after which a node gets no more requests.
  private static let fall: UInt64 = 3
  private static let intervalMillisecondsMin: UInt64 = 100

  private var drainMilliseconds: UInt64 { settings.milliseconds("api.drain_delay") }
  /// Time between two checks: one more than `fall` fit into the time for which a draining node still serves.
  private var intervalMilliseconds: UInt64 { max(Self.intervalMillisecondsMin, min(5000, drainMilliseconds / (Self.fall + 1))) }
  /// Why the numbers do not match the drain; nil when they do.
  var complaint: String? {
    let needed = Self.fall * Self.intervalMillisecondsMin
    guard drainMilliseconds < needed else { return nil }
    return "api.drain_delay = \(Value.duration(drainMilliseconds)) is shorter than \(Self.fall) checks \(Self.intervalMillisecondsMin) ms apart: "
      + "a node that drains is gone before the balancer sees it; set it to \(Value.duration(needed)) or more"
  }
  /// What a request may take at the node, and a little more.
  private var answerSeconds: UInt64 { (settings.milliseconds("api.request_timeout") + settings.milliseconds("api.drain_timeout")) / 1000 + 10 }

  var haproxy: String {
    var text = """
      # Made by 'moloch gen haproxy'. A node that drains answers /v1/ready with \(settings.integer("api.drain_status")) and serves on for api.drain_delay = \(Value.milliseconds(drainMilliseconds).toml);
      # \(Self.fall) checks \(intervalMilliseconds) ms apart \(complaint == nil ? "see it in time" : "do not see it in time"). A request that finds no connection goes to another node.
      global
        maxconn \(settings.integer("api.max_connections"))

      defaults
        mode http
        timeout connect 2s
        timeout client \(answerSeconds)s
        timeout server \(answerSeconds)s
        timeout tunnel 1h
        option redispatch 1
        retries 3
        retry-on conn-failure empty-response

      frontend moloch
        bind :8000
        default_backend moloch_api

      backend moloch_api
        balance leastconn
        option httpchk GET /v1/ready
        http-check expect status 200
        default-server check inter \(intervalMilliseconds)ms fall \(Self.fall) rise 2

      """
    for (index, server) in servers.enumerated() { text += "  server api\(index + 1) \(server)\n" }
    return text
  }

  /// For inclusion in nginx' block `http`. Without active checks a node that drains is left when it closes its connections.
  var nginx: String {
    let servers = servers.map { "  server \($0) max_fails=1 fail_timeout=5s;" }.joined(separator: "\n")
    return """
      # Made by 'moloch gen nginx'. A file for the block http, for example in /etc/nginx/conf.d.
      # Every write is the same write when it comes twice (an event has one id), so that any request may be sent to another node.
      upstream moloch_api {
        least_conn;
      \(servers)
        keepalive 64;
      }

      map $http_upgrade $moloch_connection {
        default upgrade;
        ''      '';
      }

      server {
        listen 8000;
        client_max_body_size \(settings.bytes("api.max_body_size"));

        location / {
          proxy_pass http://moloch_api;
          proxy_http_version 1.1;
          proxy_set_header Host $host;
          proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
          proxy_set_header Upgrade $http_upgrade;
          proxy_set_header Connection $moloch_connection;
          proxy_connect_timeout 2s;
          proxy_read_timeout \(answerSeconds)s;
          proxy_next_upstream error timeout http_503 non_idempotent;
          proxy_next_upstream_tries 3;
        }
      }

      """
  }
}
