/// The table of lines of the operations guide; see `GuideTests`.
extension GuideTests {
  static let lines: [(section: String, lines: [Line])] = [
    (
      "Monitoring",
      [
        Line("moloch_chain_height, moloch_peer_count, moloch_mempool_size, moloch_block_time_ms, moloch_sync_lag, moloch_api_latency_ms, moloch_storage_bytes", "theCatalogueHoldsTheGuidesMetricsWithoutLabels", "promtoolHasExactlyTheThreeRemarksOfTheGuidesNames", "theCatalogueOfMetricsIsTheOneThatIsScraped"),
        Line("prometheus.yml: job_name 'moloch', targets ['localhost:9090'], scrape_interval 15s", "theGuidesBlocksAreByteForByte", "promtoolAcceptsTheRules", "prometheusScrapesANetworkAndEveryPanelHasData"),
        Line("docs/monitoring/grafana-dashboard.json and its twelve panels", "theDashboardHasTheGuidesPanels", "prometheusScrapesANetworkAndEveryPanelHasData", remark: "queries run in Prometheus; Grafana itself is not started"),
        Line("journalctl -u moloch -n 100 --no-pager", "theGuideIsWalked", "linesHaveTheFormsOfTheManual", remark: "the node's own records; journalctl is a stand-in"),
        Line("journalctl -u moloch | grep -E \"ERROR|WARN\"", "theGuideIsWalked", "lowerRecordsNeverContainTheWordsOfTrouble", remark: "as above"),
        Line("journalctl -u moloch -f", "theGuideIsWalked", remark: "as above; following ends by itself"),
        Line("journalctl -u moloch --since \"1 hour ago\" > moloch_logs.txt", "theGuideIsWalked", remark: "as above"),
        Line("curl http://localhost:8080/v1/health", "theGuideIsWalked", "aSecondProcessOnTheSameHomeIsRefused", "listenersOfTheSupervisorAreServed"),
        Line("curl http://localhost:8080/v1/status | jq", "theGuideIsWalked", "fourValidatorsFinaliseTheSameRecords", "jqReadsTheGuidesAnswers"),
      ]
    ),
    (
      "Alerting",
      [
        Line("group moloch, six rules", "theGuidesBlocksAreByteForByte", "promtoolAcceptsTheRules"),
        Line("MolochNodeDown, MolochNotProducingBlocks, MolochLowPeerCount, MolochHighMempool, MolochSyncLag, MolochDiskSpaceLow", "everyAlertFiresAndDoesNotFireAsItsUnitTestSays", "theUnitTestsSeeEachRule", "prometheusScrapesANetworkAndEveryPanelHasData", "eachFaultRaisesItsAlertsAndNoOther", remark: "faults of a running network, with ranges and waits shortened to two seconds for a minute"),
      ]
    ),
    (
      "Maintenance tasks",
      [
        Line("Verify backups completed successfully", "aBackupOfARunningNodeVerifiesAndBringsAnotherHomeToItsHead"),
        Line("du -sh /opt/moloch/data/*", "theGuideIsWalked", "duListsTheDirectoriesOfTheGuide"),
        Line("curl http://localhost:8080/v1/peers | jq", "theGuideIsWalked", "theListHasTheMembersOfTheInterface", "jqReadsTheGuidesAnswers"),
        Line("sudo apt update && sudo apt upgrade", "theGuideIsWalked", "thePackageInstallsUpgradesAndLeaves", remark: "apt is a stand-in; what an upgrade does to the node is tested with its package"),
        Line("ls -la /opt/moloch/logs/", "theGuideIsWalked", "theFileIsRotatedCompressedAndBounded", "sighupTakesANewFileAndReopensTheLog"),
        Line("Restore to staging environment, verify data integrity", "aBackupOfARunningNodeVerifiesAndBringsAnotherHomeToItsHead"),
      ]
    ),
    (
      "Common operations",
      [
        Line("./target/release/moloch peers add \"/dns/peer.example.com/tcp/9000/p2p/12D3KooW...\"", "theGuideIsWalked", "theBookOfAStoppedNodeIsEdited", "addedPeersOutliveTheProcessAndRemovedOnesDoNot"),
        Line("./target/release/moloch peers list", "theGuideIsWalked"),
        Line("./target/release/moloch peers remove \"12D3KooW...\"", "theGuideIsWalked"),
        Line("./target/release/moloch validator status", "theGuideIsWalked", "theStatusIsThatOfTheGuide"),
        Line("./target/release/moloch storage stats", "theGuideIsWalked", "storageStatsPrintsTheGuidesLines"),
        Line("./target/release/moloch maintenance compact", "theGuideIsWalked", "aCompactionGivesSpaceBackWhileBlocksGoOn", "maintenanceKeepsItsPace", "aCompactionThatAStopCutsOffBeginsAgain"),
        Line("./target/release/moloch maintenance prune --before-height 1000000", "theGuideIsWalked", "pruneNeedsAPolicyAndRefusesYoungBlocks", "bodiesOfARunningNodeArePrunedAndTheSpaceComesBack", "aPruneThatIsKilledIsEndedByTheNextStart", remark: "as printed it is refused: no retention policy is set"),
        Line("sudo systemctl stop moloch", "theGuideIsWalked", "sigtermDrainsAndKeepsPendingEvents", remark: "systemctl is a stand-in that starts and stops the unit's command"),
        Line("rm -rf /opt/moloch/data/chain/*", "theGuideIsWalked", "theGuidesResyncIsRunAsPrinted", "aWipedValidatorRebuildsFromItsPeers"),
        Line("rm -rf /opt/moloch/data/mmr/*", "theGuideIsWalked", "theGuidesResyncIsRunAsPrinted"),
        Line("rm -rf /opt/moloch/data/index/*", "theGuideIsWalked", "theGuidesResyncIsRunAsPrinted"),
        Line("sudo systemctl start moloch", "theGuideIsWalked"),
        Line("watch -n 5 'curl -s http://localhost:8080/v1/status | jq \"{height: .head_height, syncing: .syncing}\"'", "theGuideIsWalked", "jqReadsTheGuidesAnswers", remark: "the command that is watched is run once"),
        Line("./target/release/moloch keygen --output /opt/moloch/keys/new/", "theGuideIsWalked", "keygenNeverOverwrites"),
        Line("For validators: propose validator set change, wait for approval, switch to new key at epoch boundary", "aKeyIsRotatedUnderLoad"),
      ]
    ),
    (
      "Incident response",
      [
        Line("curl http://localhost:8080/v1/status | jq .peer_count", "theGuideIsWalked", "jqReadsTheGuidesAnswers", "aNodeWithoutPeersComplainsAfterItsGraceAndThenOnceAMinute"),
        Line("Verify boot nodes are reachable; check clock skew", "whatIsWrongIsFound", "everySubjectIsLookedAtAndEveryComplaintHasAFix"),
        Line("Check for network partition", "delaysCutsAndDamageBetweenTwoValidators", "eachFaultRaisesItsAlertsAndNoOther"),
        Line("Verify peers are on same chain_id", "strangersAreRefusedAndOthersServed"),
        Line("journalctl -u moloch -n 100 | grep ERROR", "theGuideIsWalked"),
        Line("force resync from checkpoint", "aFreshNodeBeginsFromACheckpointAndServesWhatItHas", "theCommandAsksAndNamesWhatIsWrong", remark: "moloch sync --from-checkpoint HEIGHT:HASH"),
        Line("htop; consider adding API nodes", "anAPINodeServesAndForwardsWhileAValidatorItTalksToDies", remark: "the programs of others are not tested"),
        Line("./target/release/moloch maintenance compact", "theGuideIsWalked"),
        Line("Review rate limits", "reloadTakesAllOrNothingAndSaysWhatNeedsARestart"),
        Line("chronyc tracking", "theGuideIsWalked", "whatIsWrongIsFound", remark: "chronyc is a stand-in"),
        Line("Check network connectivity between validators", "delaysCutsAndDamageBetweenTwoValidators", "aNodeWithoutPeersComplainsAfterItsGraceAndThenOnceAMinute"),
        Line("If one validator stuck: restart that validator", "killedValidatorsComeBackAndNothingFinalIsLost", "aFrozenValidatorCatchesUp"),
        Line("If majority stuck: coordinate manual restart of all validators", "killedValidatorsComeBackAndNothingFinalIsLost"),
        Line("If <2/3 validators online: the chain cannot progress; bring offline validators back online", "killedValidatorsComeBackAndNothingFinalIsLost"),
        Line("sudo systemctl stop moloch", "theGuideIsWalked"),
        Line("./target/release/moloch maintenance verify", "theGuideIsWalked", "aRunningNodeIsVerifiedWhileBlocksGoOn", "controlCEndsTheWorkOfTheNode", "nothingReportedFinalIsLostByKillNine", "eachLevelSeesWhatItIsForAndSaysWhatItChecked", "aDamagedNodeBelowARightRootIsNamedAndRebuilt"),
        Line("./target/release/moloch maintenance repair", "theGuideIsWalked", "aDamagedNodeBelowARightRootIsNamedAndRebuilt", "derivedDataIsRepairedBesideTheRunningNode", "aDamagedIndexIsBuiltAnew", "damageThatPeersMustCureIsSaid", "peersGiveWhatWasDamagedOfAChain"),
        Line("Restore from backup, or resync from scratch", "theRecoveryOfTheDeploymentPageBringsANodeBack", "aStoppedNodeIsBackedUpUnderItsLock", "aWipedValidatorRebuildsFromItsPeers"),
      ]
    ),
    (
      "Upgrades",
      [
        Line("cd /opt/moloch/src", "theGuideIsWalked"),
        Line("git pull", "theGuideIsWalked", remark: "git is a stand-in"),
        Line("cargo build --release", "theGuideIsWalked", remark: "does not apply: .ci/release builds, .ci/install and the package put the programs in place; cargo is a stand-in"),
        Line("sudo systemctl restart moloch", "theGuideIsWalked", "systemdTakesTheUnitAndFindsItTight", "theSupervisorHearsOfStartLifeReloadAndStop", "sigtermDrainsAndKeepsPendingEvents", remark: "systemctl is a stand-in"),
        Line("curl http://localhost:8080/v1/status", "theGuideIsWalked"),
        Line("Wait for sync before proceeding to next node", "syncIsWatchedUntilTheNodeHasCaughtUp", remark: "moloch sync --watch"),
        Line("Rolling upgrade (zero downtime)", "haproxyAndNginxTakeTheirFiles", "nodesBehindABalancerRestartOneByOneWithoutAFailedRequest"),
        Line("./target/release/moloch migrate", "theDataOfTheReleaseBeforeIsBroughtForwardAndBack", "dataOfALaterReleaseIsRefused", "anInterruptedMigrationGoesOn", remark: "of a home that the release before has written"),
        Line("Start API nodes", "anAPINodeServesAndForwardsWhileAValidatorItTalksToDies", remark: "moloch run --api-only"),
        Line("sudo systemctl stop moloch", "theGuideIsWalked"),
        Line("If schema changed, restore data from backup (recovery process in deployment.md)", "theRecoveryOfTheDeploymentPageBringsANodeBack"),
        Line("cp /opt/moloch/bin/moloch.backup /opt/moloch/bin/moloch", "theGuideIsWalked", "thePackageInstallsUpgradesAndLeaves"),
        Line("sudo systemctl start moloch", "theGuideIsWalked"),
      ]
    ),
    (
      "Performance tuning",
      [
        Line("[storage] cache_size_mb, write_buffer_size_mb, max_open_files, compression", "theKeysOfTheGuideAreAccepted", "theFileConfiguresTheNode"),
        Line("[network] max_peers, max_concurrent_requests, message_buffer_size", "theKeysOfTheGuideAreAccepted"),
        Line("/etc/sysctl.conf", "aPrintedFileIsTheOneInTheDocuments", "everySubjectIsLookedAtAndEveryComplaintHasAFix"),
        Line("sudo sysctl -p", "theGuideIsWalked", remark: "sysctl is a stand-in: the kernel of a test host stays as it is"),
      ]
    ),
    (
      "Runbooks",
      [
        Line("curl http://localhost:8080/v1/status | jq .mempool_size", "theGuideIsWalked", "jqReadsTheGuidesAnswers"),
        Line("Graceful stop; wait for clean shutdown (check logs)", "theGuideIsWalked", "sigtermDrainsAndKeepsPendingEvents"),
        Line("curl http://localhost:8080/v1/health", "theGuideIsWalked"),
        Line("Monitor for 5 minutes", "aRunningNodeIsAskedAndWatched", remark: "moloch doctor --watch 5m"),
        Line("sudo systemctl disable moloch", "theGuideIsWalked", remark: "systemctl is a stand-in"),
        Line("sudo systemctl stop moloch", "theGuideIsWalked"),
        Line("cp -r /opt/moloch/data /opt/moloch/data.incident-$(date +%s)", "theGuideIsWalked", "aCopiedDataDirectoryIsComplete"),
      ]
    ),
  ]
}
