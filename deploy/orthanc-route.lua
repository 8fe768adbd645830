-- Orthanc sends each MR series to the DICOM node of Gadolin. In orthanc.json:
--   "LuaScripts": ["/etc/orthanc/orthanc-route.lua"],
--   "StableAge": 30,
--   "DicomModalities": { "gadolin": ["GADOLIN", "127.0.0.1", 11112] }
-- A series is sent when no image has come for StableAge seconds. If images come later, the whole series is sent again;
-- as long as the node keeps the series (keep_seconds), it then replaces its results.

function OnStableSeries(seriesId, tags, metadata)
  if tags['Modality'] == 'MR' then
    RestApiPost('/modalities/gadolin/store', DumpJson({ Resources = { seriesId }, Synchronous = false }))
  end
end
